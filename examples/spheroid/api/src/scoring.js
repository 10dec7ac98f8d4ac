// The numbers an export adds to the stored ones; all linear in the number of peaks.

// Neighbouring shots overlap, so one spot may be seen twice: positions on the
// stage are compared on a grid of this many pixels.
const GRID = 8;

const rounded = (value) => Math.round(value * 1000) / 1000;

// Cells per megapixel, how far the peaks lie from their middle, and both weighed by confidence.
export function scoreImage(image, { confidence, peaks }) {
  const density = image.cellCount / ((image.width * image.height) / 1e6);
  const spread = meanDistance(peaks);
  return {
    density: rounded(density),
    spread: rounded(spread),
    quality: rounded(confidence * Math.log1p(density) * Math.sqrt(1 + spread)),
  };
}

function meanDistance(peaks) {
  const count = peaks.length / 2;
  if (count === 0) return 0;
  let sumX = 0;
  let sumY = 0;
  for (let i = 0; i < peaks.length; i += 2) {
    sumX += peaks[i];
    sumY += peaks[i + 1];
  }
  let distance = 0;
  for (let i = 0; i < peaks.length; i += 2) {
    distance += Math.hypot(peaks[i] - sumX / count, peaks[i + 1] - sumY / count);
  }
  return distance / count;
}

// How many different spots a project's images show.
export function countDistinctPeaks(images) {
  const seen = new Set();
  for (const { stageX, stageY, segmentation } of images) {
    const peaks = segmentation?.peaks ?? [];
    for (let i = 0; i < peaks.length; i += 2) {
      const x = Math.floor((stageX + peaks[i]) / GRID);
      const y = Math.floor((stageY + peaks[i + 1]) / GRID);
      seen.add(`${x},${y}`);
    }
  }
  return seen.size;
}
