// Starts the API on HOST:PORT, 127.0.0.1 if unset; SIGTERM and SIGINT end it.
import { createApp } from './src/app.js';
import { redis } from './src/cache.js';
import { prisma } from './src/db.js';

const host = process.env.HOST ?? '127.0.0.1';
const port = Number(process.env.PORT ?? 3000);

const server = createApp().listen(port, host, (error) => {
  if (error) {
    console.error(`cannot listen on port ${port}: ${error.message}`);
    process.exit(1);
  }
  console.log(`spheroid API on http://${host}:${port}`);
});

let stopping = false;

async function stop() {
  if (stopping) return;
  stopping = true;
  setTimeout(() => process.exit(1), 2000).unref();
  server.close();
  server.closeAllConnections();
  redis.disconnect();
  await prisma.$disconnect();
  process.exit(0);
}

process.on('SIGTERM', stop);
process.on('SIGINT', stop);
