// Built-in sample data, shown when the API does not answer. The same on every load.
import type { CellImage, Page, Project, Statistics } from './types';

const NAMES = [
  'HeLa growth, plate 7',
  'Organoid dose response',
  'Spheroid invasion assay',
  'Knock-down controls',
  'Live imaging, night 3',
  'Antibody titration',
  'MCF-7 co-culture',
  'Hypoxia time course',
  'Freeze and thaw recovery',
];
const OWNERS = ['Ada', 'Noor', 'Ines', 'Tomas'];
const PLATES = Array.from({ length: 24 }, (_, i) => `PL-${String(i + 1).padStart(3, '0')}`);

/** A small repeatable random number, 0 up to 1. */
export function noise(seed: number): number {
  let x = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  x = Math.imul(x ^ (x >>> 15), 0x85ebca6b) >>> 0;
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35) >>> 0;
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
}

export const sampleProjects = (): Page<Project> => ({
  items: NAMES.map((name, i) => ({
    id: i + 1,
    name,
    description: `Plate series ${i + 1}, imaged every ${2 + (i % 4)} hours.`,
    owner: { id: i % OWNERS.length, name: OWNERS[i % OWNERS.length] },
    imageCount: 40 + Math.floor(noise(i) * 900),
    lastImageAt: new Date(Date.UTC(2025, 2, 28 - 2 * i, 9 + i, 20)).toISOString(),
  })),
});

export const sampleImages = (): Page<CellImage> => ({
  items: Array.from({ length: 2400 }, (_, i) => ({
    id: i + 1,
    name: `well-${'ABCDEFGH'[Math.floor(i / 12) % 8]}${(i % 12) + 1}-t${Math.floor(i / 96) + 1}`,
    plateCode: PLATES[Math.floor(i / 96) % PLATES.length],
    cellCount: 6 + Math.floor(noise(i) * 30),
  })),
});

export const sampleStatistics = (): Statistics => ({
  byStatus: ['failed', 'pending', 'reviewed', 'segmented'].map((status, i) => ({
    status,
    images: [60, 240, 700, 1400][i],
    cells: [0, 0, 15200, 29800][i],
  })),
  byPlate: PLATES.map((plate, i) => ({
    plate,
    images: 60 + Math.floor(noise(i + 300) * 80),
    meanCells: 14 + 6 * Math.sin(i / 4) + noise(i + 600) * 4,
    meanConfidence: 0.82 + 0.08 * Math.sin(i / 5) + noise(i + 900) * 0.05,
  })),
});
