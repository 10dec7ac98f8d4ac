// GET /api/statistics: counts and means over all images, kept in Redis for some minutes.
import { Router } from 'express';
import { remember } from './cache.js';
import { prisma } from './db.js';

const KEPT_SECONDS = 300;

export const statistics = Router();

statistics.get('/statistics', async (req, res) => {
  res.json(await remember('statistics:v1', KEPT_SECONDS, compute));
});

async function compute() {
  const [byStatus, byPlate] = await Promise.all([
    prisma.$queryRaw`
      select status, count(*)::int as images, sum(cell_count)::int as cells,
             round(avg(cell_count), 2)::float8 as "meanCells"
      from image group by status order by status`,
    prisma.$queryRaw`
      select i.plate_code as plate, count(*)::int as images,
             round(avg(i.cell_count), 2)::float8 as "meanCells",
             round(avg(s.confidence)::numeric, 4)::float8 as "meanConfidence"
      from image i left join segmentation s on s.image_id = i.id
      group by i.plate_code order by i.plate_code`,
  ]);
  return { byStatus, byPlate };
}
