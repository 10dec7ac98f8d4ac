// Passwords (salted scrypt) and stateless tokens (payload.signature, HMAC-SHA256).
import { createHmac, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const SECRET = process.env.TOKEN_SECRET ?? 'spheroid-development-only';
const LIFETIME_SECONDS = 12 * 3600;
// Cheap on purpose: this is a sample, and the seed makes the same hashes (db/seed.py).
const COST = { N: 1024, r: 8, p: 1 };

const derive = promisify(scrypt);
const sign = (payload) => createHmac('sha256', SECRET).update(payload).digest();

export async function passwordMatches(user, password) {
  const expected = Buffer.from(user.passwordHash, 'hex');
  const actual = await derive(password, Buffer.from(user.passwordSalt, 'hex'), expected.length, COST);
  return timingSafeEqual(actual, expected);
}

export function issueToken(userId) {
  const expires = Math.floor(Date.now() / 1000) + LIFETIME_SECONDS;
  const payload = Buffer.from(JSON.stringify({ sub: userId, exp: expires })).toString('base64url');
  return `${payload}.${sign(payload).toString('base64url')}`;
}

// The user id a token stands for, or null.
function readToken(token) {
  const [payload, signature = ''] = token.split('.');
  const given = Buffer.from(signature, 'base64url');
  const expected = sign(payload);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
  const { sub, exp } = JSON.parse(Buffer.from(payload, 'base64url'));
  return exp > Date.now() / 1000 ? sub : null;
}

// Middleware: 401 without a valid `Authorization: Bearer <token>`.
export function requireUser(req, res, next) {
  const [, token] = /^Bearer (\S+)$/.exec(req.get('authorization') ?? '') ?? [];
  const userId = token ? readToken(token) : null;
  if (userId === null) return res.status(401).json({ error: 'a valid token is needed' });
  req.userId = userId;
  next();
}
