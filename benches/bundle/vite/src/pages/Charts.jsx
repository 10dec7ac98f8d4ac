import React from 'react';
import { LineChart, Line, XAxis } from 'recharts';
import './charts.css';
export default function Charts() { return <LineChart width={300} height={200} data={[{ a: 1 }, { a: 2 }]}><XAxis /><Line dataKey="a" /></LineChart>; }
