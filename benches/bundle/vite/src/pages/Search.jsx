import React, { useState } from 'react';
import clsx from 'clsx';
export default function Search() { const [open, set] = useState(false); return <section className={clsx('Search', open && 'open')} onClick={() => set(!open)}>Search of the app</section>; }
