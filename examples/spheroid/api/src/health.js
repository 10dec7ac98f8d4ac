// GET /health: ready once PostgreSQL and Redis both answer.
import { Router } from 'express';
import { redis } from './cache.js';
import { prisma } from './db.js';

export const health = Router();

health.get('/health', async (req, res) => {
  try {
    await Promise.all([prisma.$queryRaw`select 1`, redis.ping()]);
    res.json({ status: 'ok' });
  } catch {
    res.status(503).json({ status: 'starting' });
  }
});
