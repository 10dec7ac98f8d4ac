// Says that a page shows the built-in sample.
export function DemoNote({ show }: { show: boolean }) {
  return show ? <span className="tag">sample data</span> : null;
}
