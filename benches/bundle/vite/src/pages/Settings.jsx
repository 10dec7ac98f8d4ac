import React, { useState } from 'react';
import clsx from 'clsx';
export default function Settings() { const [open, set] = useState(false); return <section className={clsx('Settings', open && 'open')} onClick={() => set(!open)}>Settings of the app</section>; }
