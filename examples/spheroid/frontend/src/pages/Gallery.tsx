// The images with the most cells in a grid; only the rows on screen are in the document.
import { useVirtualizer } from '@tanstack/react-virtual';
import chunk from 'lodash/chunk';
import { useMemo, useRef } from 'react';
import { DemoNote } from '../components/DemoNote';
import { Thumbnail } from '../components/Thumbnail';
import { useApi } from '../lib/api';
import { count } from '../lib/format';
import { sampleImages } from '../lib/sample';
import type { CellImage, Page } from '../lib/types';

const COLUMNS = 6;
const ROW_HEIGHT = 184;

export function Gallery() {
  const { data, demo } = useApi<Page<CellImage>>('/api/images/search', sampleImages);
  const rows = useMemo(() => chunk(data?.items, COLUMNS), [data]);
  const scroller = useRef<HTMLDivElement>(null);
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 2,
  });

  return (
    <>
      <div className="head">
        <h1>Gallery</h1>
        <DemoNote show={demo} />
      </div>
      <p className="muted">{count(data?.items.length ?? 0)} images</p>
      <div className="scroller" ref={scroller}>
        <div className="tall" style={{ height: virtualizer.getTotalSize() }}>
          {virtualizer.getVirtualItems().map((item) => (
            <div className="row" key={item.key} style={{ transform: `translateY(${item.start}px)` }}>
              {rows[item.index].map((image) => (
                <Tile key={image.id} image={image} />
              ))}
            </div>
          ))}
        </div>
      </div>
    </>
  );
}

function Tile({ image }: { image: CellImage }) {
  return (
    <figure className="tile">
      <Thumbnail id={image.id} cells={image.cellCount} />
      <figcaption>
        {image.name}
        <span className="muted">
          {image.cellCount} cells, {image.plateCode}
        </span>
      </figcaption>
    </figure>
  );
}
