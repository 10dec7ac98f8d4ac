import React, { useState } from 'react';
import clsx from 'clsx';
export default function Team() { const [open, set] = useState(false); return <section className={clsx('Team', open && 'open')} onClick={() => set(!open)}>Team of the app</section>; }
