// The one Prisma client, on a small pool of PostgreSQL connections.
import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from '@prisma/client';

const connectionString = process.env.DATABASE_URL;
if (!connectionString) {
  console.error('DATABASE_URL is not set, e.g. postgresql://postgres@127.0.0.1:5432/app');
  process.exit(1);
}

export const prisma = new PrismaClient({
  adapter: new PrismaPg({ connectionString, max: 8, connectionTimeoutMillis: 2000 }),
});
