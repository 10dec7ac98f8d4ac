import react from '@vitejs/plugin-react';
export default { plugins: [react()], build: { outDir: process.env.OUT, emptyOutDir: true }, logLevel: 'warn' };
