// Times the measuring code of other tools, and of Node's own zlib, on one folder of files.
// Prints one JSON object: milliseconds of each, and the bytes they found.
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import sizeLimit from 'size-limit';
import filePlugin from '@size-limit/file';
import SizePlugin from 'size-plugin-core';

const [folder, runs] = [process.argv[2], Number(process.argv[3])];
const all = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name));

async function median(run) {
  const times = [];
  let result;
  for (let turn = 0; turn < runs; turn += 1) {
    const start = performance.now();
    result = await run();
    times.push(performance.now() - start);
  }
  return [times.sort((a, b) => a - b)[Math.floor(runs / 2)], result];
}

const [limitMs, limit] = await median(() => sizeLimit([filePlugin], { checks: [{ files: all, gzip: true }] }));
const plugin = new SizePlugin({ compression: 'gzip', pattern: '**/*', exclude: '{**/*.map,**/node_modules/**}' });
const [pluginMs, plugged] = await median(() => plugin.readFromDisk(folder));
const zlib = Object.fromEntries(all.map((file) => [relative(folder, file), gzipSync(readFileSync(file), { level: 9 }).length]));
console.log(JSON.stringify({
  sizeLimitMs: limitMs,
  sizeLimitTotal: limit[0].size,
  sizePluginMs: pluginMs,
  sizePluginTotal: Object.values(plugged).reduce((sum, size) => sum + size, 0),
  sizePluginFiles: Object.keys(plugged).length,
  zlib,
}));
