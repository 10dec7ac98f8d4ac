// Draws the editor's sample picture, and a first mask by brightness.
import { noise } from './sample';

export function drawCells(ctx: CanvasRenderingContext2D, size: number) {
  ctx.fillStyle = '#071c1f';
  ctx.fillRect(0, 0, size, size);
  for (let i = 0; i < 34; i += 1) {
    const x = noise(i * 5) * size;
    const y = noise(i * 5 + 1) * size;
    const radius = 14 + noise(i * 5 + 2) * 26;
    const glow = ctx.createRadialGradient(x, y, 0, x, y, radius);
    glow.addColorStop(0, 'rgba(210, 255, 235, 0.95)');
    glow.addColorStop(0.35, 'rgba(60, 205, 160, 0.9)');
    glow.addColorStop(0.8, 'rgba(40, 150, 120, 0.6)');
    glow.addColorStop(1, 'rgba(20, 80, 70, 0)');
    ctx.fillStyle = glow;
    ctx.beginPath();
    ctx.arc(x, y, radius, 0, 2 * Math.PI);
    ctx.fill();
  }
}

export function threshold(pixels: ImageData): ImageData {
  const { data, width, height } = pixels;
  const mask = new ImageData(width, height);
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 1] > 110) mask.data.set([255, 183, 3, 255], i);
  }
  return mask;
}
