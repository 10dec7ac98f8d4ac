// Times the measuring code of other tools, and of Node's own zlib, on two folders of files: a build
// and the same with some files edited. Prints one JSON object: milliseconds, and the bytes found.
//
// Starting Node and loading the tools is not counted. size-limit and compressed-size-action both
// measure base and head of a pull request anew: `both` is the sum of the two folders.
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import sizeLimit from 'size-limit';
import filePlugin from '@size-limit/file';
import SizePlugin from 'size-plugin-core';

const [base, head, runs] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const list = (folder) => readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
const files = { [base]: list(base), [head]: list(head) };

async function median(turns, run) {
  const times = [];
  let result;
  for (let turn = 0; turn < turns; turn += 1) {
    const start = performance.now();
    result = await run();
    times.push(performance.now() - start);
  }
  return [times.sort((a, b) => a - b)[Math.floor(turns / 2)], result];
}

const limit = (folder, check) => sizeLimit([filePlugin], { checks: [{ files: files[folder], ...check }] });
const plugin = new SizePlugin({ compression: 'gzip', pattern: '**/*', exclude: '{**/*.map,**/node_modules/**}' });
const [limitMs, limited] = await median(runs, () => limit(base, { gzip: true }));
const [limitBothMs] = await median(runs, async () => { await limit(base, { gzip: true }); await limit(head, { gzip: true }); });
const [pluginMs, plugged] = await median(runs, () => plugin.readFromDisk(base));
const [pluginBothMs] = await median(runs, async () => { await plugin.readFromDisk(base); await plugin.readFromDisk(head); });
const [zlibMs, zlib] = await median(runs, () => Object.fromEntries(
  files[base].map((file) => [relative(base, file), gzipSync(readFileSync(file), { level: 9 }).length])));
// What size-limit does unless told otherwise. It takes long, so it has one turn.
const [limitBrotliMs] = await median(1, () => limit(base, {}));
console.log(JSON.stringify({
  sizeLimitMs: limitMs,
  sizeLimitBothMs: limitBothMs,
  sizeLimitBrotliMs: limitBrotliMs,
  sizeLimitTotal: limited[0].size,
  sizePluginMs: pluginMs,
  sizePluginBothMs: pluginBothMs,
  sizePluginTotal: Object.values(plugged).reduce((sum, size) => sum + size, 0),
  sizePluginFiles: Object.keys(plugged).length,
  zlibMs,
  zlib,
}));
