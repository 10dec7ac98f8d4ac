import React from 'react';
import { format } from 'date-fns';
import clsx from 'clsx';
export default function Dates() { return <p className={clsx('card')}>{format(new Date(0), 'yyyy-MM-dd')}</p>; }
