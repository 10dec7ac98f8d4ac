// GET /api/projects/:id/export: every image of a project with its scores, for people signed in.
import { Router } from 'express';
import { requireUser } from './auth.js';
import { prisma } from './db.js';
import { parseId } from './params.js';
import { countDistinctPeaks, scoreImage } from './scoring.js';

export const exports = Router();

exports.get('/projects/:id/export', requireUser, async (req, res) => {
  const id = parseId(req.params.id);
  const project = id && (await prisma.project.findUnique({
    where: { id },
    select: { id: true, name: true },
  }));
  if (!project) return res.status(404).json({ error: 'no such project' });

  const images = await prisma.image.findMany({
    where: { projectId: id },
    select: {
      id: true, name: true, status: true, plateCode: true, cellCount: true,
      width: true, height: true, stageX: true, stageY: true, takenAt: true,
      segmentation: { select: { model: true, confidence: true, peaks: true } },
    },
    orderBy: { id: 'asc' },
  });
  res.json({
    project,
    distinctPeaks: countDistinctPeaks(images),
    images: images.map(({ segmentation, ...image }) => ({
      ...image,
      model: segmentation?.model ?? null,
      scores: segmentation && scoreImage(image, segmentation),
    })),
  });
});
