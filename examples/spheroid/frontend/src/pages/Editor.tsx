// Mask editor: paint or erase the mask over an image, with undo. Loaded on demand.
import { useEffect, useRef, useState, type PointerEvent } from 'react';
import { percent } from '../lib/format';
import { drawCells, threshold } from '../lib/picture';

const SIZE = 512;
const UNDO = 20;

export default function Editor() {
  const picture = useRef<HTMLCanvasElement>(null);
  const mask = useRef<HTMLCanvasElement>(null);
  const history = useRef<ImageData[]>([]);
  const last = useRef<[number, number] | null>(null);
  const [tool, setTool] = useState<'paint' | 'erase'>('paint');
  const [brush, setBrush] = useState(18);
  const [opacity, setOpacity] = useState(0.55);
  const [covered, setCovered] = useState(0);

  const context = () => mask.current!.getContext('2d', { willReadFrequently: true })!;

  useEffect(() => {
    drawCells(picture.current!.getContext('2d')!, SIZE);
    suggest();
    history.current = [];
  }, []);

  function measure() {
    const { data } = context().getImageData(0, 0, SIZE, SIZE);
    let filled = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i] > 127) filled += 1;
    setCovered(filled / (SIZE * SIZE));
  }

  function remember() {
    history.current.push(context().getImageData(0, 0, SIZE, SIZE));
    if (history.current.length > UNDO) history.current.shift();
  }

  function undo() {
    const before = history.current.pop();
    if (before) context().putImageData(before, 0, 0);
    measure();
  }

  function suggest() {
    remember();
    const pixels = picture.current!.getContext('2d')!.getImageData(0, 0, SIZE, SIZE);
    context().putImageData(threshold(pixels), 0, 0);
    measure();
  }

  function stroke(event: PointerEvent<HTMLCanvasElement>) {
    if (!last.current) return;
    const box = event.currentTarget.getBoundingClientRect();
    const x = ((event.clientX - box.left) * SIZE) / box.width;
    const y = ((event.clientY - box.top) * SIZE) / box.height;
    const [fromX, fromY] = last.current[0] < 0 ? [x, y] : last.current;
    const ctx = context();
    ctx.globalCompositeOperation = tool === 'paint' ? 'source-over' : 'destination-out';
    ctx.strokeStyle = '#ffb703';
    ctx.lineCap = 'round';
    ctx.lineWidth = brush;
    ctx.beginPath();
    ctx.moveTo(fromX, fromY);
    ctx.lineTo(x, y);
    ctx.stroke();
    ctx.globalCompositeOperation = 'source-over';
    last.current = [x, y];
  }

  function start(event: PointerEvent<HTMLCanvasElement>) {
    event.currentTarget.setPointerCapture(event.pointerId);
    remember();
    last.current = [-1, -1];
    stroke(event);
  }

  function stop() {
    last.current = null;
    measure();
  }

  return (
    <>
      <div className="head">
        <h1>Mask editor</h1>
      </div>
      <div className="editor">
        <div className="stage">
          <canvas ref={picture} width={SIZE} height={SIZE} />
          <canvas
            ref={mask}
            width={SIZE}
            height={SIZE}
            style={{ opacity }}
            onPointerDown={start}
            onPointerMove={stroke}
            onPointerUp={stop}
            onPointerCancel={stop}
          />
        </div>
        <div className="panel tools">
          <h2>Tools</h2>
          <div className="buttons">
            <button aria-pressed={tool === 'paint'} onClick={() => setTool('paint')}>
              Paint
            </button>
            <button aria-pressed={tool === 'erase'} onClick={() => setTool('erase')}>
              Erase
            </button>
            <button onClick={undo}>Undo</button>
            <button onClick={suggest}>Suggest</button>
          </div>
          <label>
            Brush, {brush} px
            <input type="range" min="2" max="60" value={brush} onChange={(e) => setBrush(Number(e.target.value))} />
          </label>
          <label>
            Mask, {Math.round(opacity * 100)} %
            <input type="range" min="0" max="1" step="0.05" value={opacity} onChange={(e) => setOpacity(Number(e.target.value))} />
          </label>
          <p>Covered: {percent(covered)}</p>
        </div>
      </div>
    </>
  );
}
