// GET /api/projects (a page of the list) and GET /api/projects/:id (one project's page).
import { Prisma } from '@prisma/client';
import { Router } from 'express';
import { prisma } from './db.js';
import { parseCount, parseId } from './params.js';

const PAGE_SIZE = 20;
const IMAGES_SHOWN = 60;

export const projects = Router();

projects.get('/projects', async (req, res) => {
  const page = parseCount(req.query.page, 1, 1);
  const [total, rows] = await Promise.all([
    prisma.project.count(),
    prisma.project.findMany({
      select: { id: true, name: true, description: true, owner: { select: { id: true, name: true } } },
      orderBy: { id: 'asc' },
      skip: (page - 1) * PAGE_SIZE,
      take: PAGE_SIZE,
    }),
  ]);
  const summaries = await summarise(rows.map((project) => project.id));
  const items = rows.map((project) => ({ ...project, ...summaries.get(project.id) }));
  res.json({ items, page, pageSize: PAGE_SIZE, total });
});

// How many images each project has and which is the latest, by project id: two queries in all.
async function summarise(ids) {
  if (ids.length === 0) return new Map();
  const [counts, latest] = await Promise.all([
    prisma.image.groupBy({ by: ['projectId'], where: { projectId: { in: ids } }, _count: true }),
    prisma.$queryRaw`
      select p.id as "projectId", i.id, i.name, i.taken_at as "takenAt"
      from project p cross join lateral (
        select id, name, taken_at from image where project_id = p.id
        order by taken_at desc, id desc limit 1
      ) i
      where p.id in (${Prisma.join(ids)})`,
  ]);
  const countOf = new Map(counts.map((row) => [row.projectId, row._count]));
  const latestOf = new Map(latest.map((row) => [row.projectId, row]));
  return new Map(ids.map((id) => [id, summary(countOf.get(id) ?? 0, latestOf.get(id))]));
}

function summary(imageCount, image) {
  return {
    imageCount,
    lastImageAt: image?.takenAt ?? null,
    latestImage: image ? { id: image.id, name: image.name } : null,
  };
}

projects.get('/projects/:id', async (req, res) => {
  const id = parseId(req.params.id);
  const project = id && (await prisma.project.findUnique({
    where: { id },
    select: {
      id: true, name: true, description: true, createdAt: true,
      owner: { select: { id: true, name: true } },
    },
  }));
  if (!project) return res.status(404).json({ error: 'no such project' });

  const [images, statuses] = await Promise.all([
    prisma.image.findMany({
      where: { projectId: id },
      select: {
        id: true, name: true, status: true, plateCode: true,
        cellCount: true, width: true, height: true, takenAt: true,
      },
      orderBy: [{ takenAt: 'desc' }, { id: 'desc' }],
      take: IMAGES_SHOWN,
    }),
    prisma.image.groupBy({
      by: ['status'], where: { projectId: id }, _count: true, orderBy: { status: 'asc' },
    }),
  ]);
  const counts = Object.fromEntries(statuses.map((row) => [row.status, row._count]));
  res.json({ ...project, counts, images });
});
