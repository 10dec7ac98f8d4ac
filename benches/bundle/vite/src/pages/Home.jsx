import React from 'react';
import { Link } from 'react-router-dom';
import clsx from 'clsx';
export default function Home() { return <p className={clsx('card', 'home')}>Grüße 😀 <Link to="/charts">charts</Link></p>; }
