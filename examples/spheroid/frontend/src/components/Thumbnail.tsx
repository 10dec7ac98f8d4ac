// A drawn stand-in for an image's preview: its cells as soft discs.
import clamp from 'lodash/clamp';
import { noise } from '../lib/sample';

export function Thumbnail({ id, cells }: { id: number; cells: number }) {
  const discs = clamp(cells, 1, 40);
  return (
    <svg className="thumb" viewBox="0 0 100 70" aria-hidden="true">
      <rect width="100" height="70" fill="#071c1f" />
      {Array.from({ length: discs }, (_, i) => {
        const seed = id * 97 + i * 3;
        return (
          <circle
            key={i}
            cx={4 + noise(seed) * 92}
            cy={4 + noise(seed + 1) * 62}
            r={2 + noise(seed + 2) * 4}
            fill="#35c79f"
            opacity={0.35 + noise(seed + 3) * 0.6}
          />
        );
      })}
    </svg>
  );
}
