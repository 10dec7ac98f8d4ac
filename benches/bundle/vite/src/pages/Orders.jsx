import React, { useState } from 'react';
import clsx from 'clsx';
export default function Orders() { const [open, set] = useState(false); return <section className={clsx('Orders', open && 'open')} onClick={() => set(!open)}>Orders of the app</section>; }
