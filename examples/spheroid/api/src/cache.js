// Redis, and the one way the API uses it: remember an expensive answer for a while.
import { Redis } from 'ioredis';

export const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379', {
  maxRetriesPerRequest: 1,
  retryStrategy: (attempt) => Math.min(attempt * 50, 1000),
});
redis.on('error', (error) => console.error(`redis: ${error.message}`));

export async function remember(key, seconds, compute) {
  const hit = await redis.get(key);
  if (hit !== null) return JSON.parse(hit);
  const value = await compute();
  await redis.set(key, JSON.stringify(value), 'EX', seconds);
  return value;
}
