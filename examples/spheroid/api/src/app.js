// The Express application: middleware, the route groups, JSON errors.
import compression from 'compression';
import express from 'express';
import { exports } from './exports.js';
import { health } from './health.js';
import { images } from './images.js';
import { login } from './login.js';
import { projects } from './projects.js';
import { statistics } from './statistics.js';

export function createApp() {
  const app = express();
  app.disable('x-powered-by');
  app.use(compression());
  app.use(express.json({ limit: '100kb' }));

  app.use(health);
  app.use('/api', login, projects, images, statistics, exports);

  app.use((req, res) => {
    res.status(404).json({ error: 'not found' });
  });
  app.use((error, req, res, next) => {
    const status = error.status ?? 500;
    if (status >= 500) console.error(error);
    if (res.headersSent) return next(error);
    res.status(status).json({ error: status < 500 ? error.message : 'internal error' });
  });
  return app;
}
