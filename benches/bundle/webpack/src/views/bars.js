import { max, range } from 'd3-array';
import { scaleLinear } from 'd3-scale';
import './bars.css';
export const show = (at) => { const data = range(9); const y = scaleLinear([0, max(data)], [0, 90]); at.innerHTML = data.map((d) => `<i class="bar">${y(d)}</i>`).join(''); };
