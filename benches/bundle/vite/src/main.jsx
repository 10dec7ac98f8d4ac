import React, { lazy, Suspense } from 'react';
import { createRoot } from 'react-dom/client';
import { BrowserRouter, Routes, Route } from 'react-router-dom';
import Home from './pages/Home.jsx';
import './style.css';
const Charts = lazy(() => import('./pages/Charts.jsx'));
const Dates = lazy(() => import('./pages/Dates.jsx'));
const Help = lazy(() => import('./pages/Help.jsx'));
const Orders = lazy(() => import('./pages/Orders.jsx'));
const Profile = lazy(() => import('./pages/Profile.jsx'));
const Reports = lazy(() => import('./pages/Reports.jsx'));
const Search = lazy(() => import('./pages/Search.jsx'));
const Settings = lazy(() => import('./pages/Settings.jsx'));
const Team = lazy(() => import('./pages/Team.jsx'));
const Users = lazy(() => import('./pages/Users.jsx'));
const About = lazy(() => import('./pages/About.jsx'));
createRoot(document.getElementById('root')).render(
  <BrowserRouter><Suspense fallback="…"><Routes>
    <Route path="/charts" element={<Charts />} /><Route path="/dates" element={<Dates />} />
    <Route path="/help" element={<Help />} />
    <Route path="/orders" element={<Orders />} />
    <Route path="/profile" element={<Profile />} />
    <Route path="/reports" element={<Reports />} />
    <Route path="/search" element={<Search />} />
    <Route path="/settings" element={<Settings />} />
    <Route path="/team" element={<Team />} />
    <Route path="/users" element={<Users />} />
    <Route path="/about" element={<About />} /><Route path="*" element={<Home />} />
  </Routes></Suspense></BrowserRouter>);
