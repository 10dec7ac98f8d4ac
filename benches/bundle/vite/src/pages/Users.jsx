import React, { useState } from 'react';
import clsx from 'clsx';
export default function Users() { const [open, set] = useState(false); return <section className={clsx('Users', open && 'open')} onClick={() => set(!open)}>Users of the app</section>; }
