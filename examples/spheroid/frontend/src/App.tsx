// Layout and routes. Pages that few visits need are loaded on demand.
import { lazy, Suspense } from 'react';
import { NavLink, Route, Routes } from 'react-router';
import { Dashboard } from './pages/Dashboard';
import { Gallery } from './pages/Gallery';

const Charts = lazy(() => import('./pages/Charts'));
const Editor = lazy(() => import('./pages/Editor'));
const About = lazy(() => import('./pages/About'));

const LINKS = [
  ['/', 'Projects'],
  ['/gallery', 'Gallery'],
  ['/charts', 'Charts'],
  ['/editor', 'Editor'],
  ['/about', 'About'],
];

export function App() {
  return (
    <>
      <header className="bar">
        <img src="/favicon.svg" alt="" width="28" height="28" />
        <strong>Spheroid</strong>
        <nav>
          {LINKS.map(([to, label]) => (
            <NavLink key={to} to={to} end>
              {label}
            </NavLink>
          ))}
        </nav>
      </header>
      <main>
        <Suspense fallback={<p className="muted">Loading…</p>}>
          <Routes>
            <Route path="/" element={<Dashboard />} />
            <Route path="/gallery" element={<Gallery />} />
            <Route path="/charts" element={<Charts />} />
            <Route path="/editor" element={<Editor />} />
            <Route path="/about" element={<About />} />
            <Route path="*" element={<p className="muted">There is no such page.</p>} />
          </Routes>
        </Suspense>
      </main>
    </>
  );
}
