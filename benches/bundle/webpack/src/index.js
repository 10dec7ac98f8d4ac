import dayjs from 'dayjs';
import './style.css';

const views = {
  about: () => import('./views/about.js'),
  bars: () => import('./views/bars.js'),
  calendar: () => import('./views/calendar.js'),
  lines: () => import('./views/lines.js'),
};
const main = document.createElement('main');
main.textContent = `Grüße 😀 ${dayjs(0).format('YYYY')}`;
document.body.append(main);
for (const [name, load] of Object.entries(views)) {
  const button = document.createElement('button');
  button.onclick = () => load().then((view) => view.show(main));
  button.append(name);
  document.body.append(button);
}
