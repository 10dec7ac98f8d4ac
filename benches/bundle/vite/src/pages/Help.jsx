import React, { useState } from 'react';
import clsx from 'clsx';
export default function Help() { const [open, set] = useState(false); return <section className={clsx('Help', open && 'open')} onClick={() => set(!open)}>Help of the app</section>; }
