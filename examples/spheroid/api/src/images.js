// GET /api/images/search: the images of one status with the most cells, from `minCells` up.
import { Router } from 'express';
import { prisma } from './db.js';
import { parseCount } from './params.js';

const STATUSES = ['failed', 'pending', 'reviewed', 'segmented'];
const MOST_RESULTS = 50;

export const images = Router();

images.get('/images/search', async (req, res) => {
  const status = req.query.status ?? 'segmented';
  if (!STATUSES.includes(status)) {
    return res.status(400).json({ error: `status is one of ${STATUSES.join(', ')}` });
  }
  const minCells = parseCount(req.query.minCells, 0, 0);
  const found = await prisma.image.findMany({
    where: { status, cellCount: { gte: minCells } },
    select: {
      id: true, name: true, status: true, plateCode: true, cellCount: true, takenAt: true,
      project: { select: { id: true, name: true } },
    },
    orderBy: [{ cellCount: 'desc' }, { id: 'asc' }],
    take: MOST_RESULTS,
  });
  res.json({ items: found, status, minCells });
});
