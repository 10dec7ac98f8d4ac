import React from 'react';
export default function About() { return <p>About the app.</p>; }
