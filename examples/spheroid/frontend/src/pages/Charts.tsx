// Statistics over all images. Loaded on demand, because it brings the chart library.
import { Area, AreaChart, Bar, BarChart, CartesianGrid, Legend, Line, LineChart, ResponsiveContainer, Tooltip, XAxis, YAxis } from 'recharts';
import { DemoNote } from '../components/DemoNote';
import { useApi } from '../lib/api';
import { count, label, percent } from '../lib/format';
import { sampleStatistics } from '../lib/sample';
import type { Statistics } from '../lib/types';

const GRID = <CartesianGrid strokeDasharray="3 3" stroke="#d5dfe0" vertical={false} />;
const PLATES = <XAxis dataKey="plate" minTickGap={24} fontSize={12} />;

export default function Charts() {
  const { data, demo } = useApi<Statistics>('/api/statistics', sampleStatistics);
  return (
    <>
      <div className="head">
        <h1>Charts</h1>
        <DemoNote show={demo} />
      </div>
      <section className="panel wide">
        <h2>Mean cells per image, by plate</h2>
        <ResponsiveContainer width="100%" height={260}>
          <AreaChart data={data?.byPlate}>
            {GRID}
            {PLATES}
            <YAxis fontSize={12} />
            <Tooltip formatter={(v) => Number(v).toFixed(1)} />
            <Area dataKey="meanCells" name="Cells" stroke="#16856b" fill="#9fe0cb" isAnimationActive={false} />
          </AreaChart>
        </ResponsiveContainer>
      </section>
      <div className="panels">
        <section className="panel">
          <h2>Images by status</h2>
          <ResponsiveContainer width="100%" height={220}>
            <BarChart data={data?.byStatus}>
              {GRID}
              <XAxis dataKey="status" tickFormatter={label} fontSize={12} />
              <YAxis fontSize={12} tickFormatter={count} />
              <Tooltip formatter={(v) => count(Number(v))} labelFormatter={(s) => label(String(s))} />
              <Bar dataKey="images" name="Images" fill="#2a6f97" isAnimationActive={false} />
            </BarChart>
          </ResponsiveContainer>
        </section>
        <section className="panel">
          <h2>Confidence by plate</h2>
          <ResponsiveContainer width="100%" height={220}>
            <LineChart data={data?.byPlate}>
              {GRID}
              {PLATES}
              <YAxis fontSize={12} tickFormatter={percent} width={64} domain={['auto', 'auto']} />
              <Tooltip formatter={(v) => percent(Number(v))} />
              <Legend />
              <Line dataKey="meanConfidence" name="Confidence" stroke="#c8553d" dot={false} isAnimationActive={false} />
            </LineChart>
          </ResponsiveContainer>
        </section>
      </div>
    </>
  );
}
