import React, { lazy, Suspense } from 'react';
import { createRoot } from 'react-dom/client';
import { BrowserRouter, Routes, Route } from 'react-router-dom';
import Home from './pages/Home.jsx';
import './style.css';
const Charts = lazy(() => import('./pages/Charts.jsx'));
const Dates = lazy(() => import('./pages/Dates.jsx'));
const About = lazy(() => import('./pages/About.jsx'));
createRoot(document.getElementById('root')).render(
  <BrowserRouter><Suspense fallback="…"><Routes>
    <Route path="/charts" element={<Charts />} /><Route path="/dates" element={<Dates />} />
    <Route path="/about" element={<About />} /><Route path="*" element={<Home />} />
  </Routes></Suspense></BrowserRouter>);
