// Starts the API on 127.0.0.1:PORT; SIGTERM and SIGINT end it.
import { createApp } from './src/app.js';
import { redis } from './src/cache.js';
import { prisma } from './src/db.js';

const port = Number(process.env.PORT ?? 3000);

const server = createApp().listen(port, '127.0.0.1', (error) => {
  if (error) {
    console.error(`cannot listen on port ${port}: ${error.message}`);
    process.exit(1);
  }
  console.log(`spheroid API on http://127.0.0.1:${port}`);
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
