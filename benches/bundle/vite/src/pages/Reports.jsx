import React, { useState } from 'react';
import clsx from 'clsx';
export default function Reports() { const [open, set] = useState(false); return <section className={clsx('Reports', open && 'open')} onClick={() => set(!open)}>Reports of the app</section>; }
