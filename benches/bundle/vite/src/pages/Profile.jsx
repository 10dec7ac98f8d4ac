import React, { useState } from 'react';
import clsx from 'clsx';
export default function Profile() { const [open, set] = useState(false); return <section className={clsx('Profile', open && 'open')} onClick={() => set(!open)}>Profile of the app</section>; }
