// POST /api/login: an e-mail address and a password for a token.
import { Router } from 'express';
import { issueToken, passwordMatches } from './auth.js';
import { prisma } from './db.js';

export const login = Router();

login.post('/login', async (req, res) => {
  const { email, password } = req.body ?? {};
  if (typeof email !== 'string' || typeof password !== 'string') {
    return res.status(400).json({ error: 'email and password are needed' });
  }
  const user = await prisma.user.findUnique({ where: { email } });
  if (!user || !(await passwordMatches(user, password))) {
    return res.status(401).json({ error: 'wrong e-mail address or password' });
  }
  res.json({ token: issueToken(user.id) });
});
