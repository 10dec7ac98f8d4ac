// What Chromium transfers on the first visit of a page: serves FOLDER, with the compressed bodies
// of COMPRESSED, opens / in a fresh profile and prints the bytes of each body over the wire,
// as the DevTools protocol counts them: `{ "assets/index.js": 1234 }`.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [folder, compressed, browser] = process.argv.slice(2);
const types = { js: 'text/javascript', css: 'text/css', html: 'text/html', svg: 'image/svg+xml' };
const server = createServer((request, response) => {
  const path = request.url === '/' ? 'index.html' : decodeURIComponent(request.url.slice(1));
  const body = join(compressed, path);
  if (!existsSync(body)) {
    response.writeHead(404).end();
    return;
  }
  const type = types[path.split('.').pop()] ?? 'application/octet-stream';
  const bytes = readFileSync(body);
  // With the length known nothing is sent in chunks, whose frames would count as bytes of the body.
  response.writeHead(200, { 'content-type': type, 'content-encoding': 'gzip', 'content-length': bytes.length });
  response.end(bytes);
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const origin = `http://127.0.0.1:${server.address().port}/`;

const profile = mkdtempSync(join(tmpdir(), 'first-visit-'));
const chromium = spawn(browser, ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-background-networking',
  '--no-first-run', `--user-data-dir=${profile}`, '--remote-debugging-pipe', 'about:blank'],
{ stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
let number = 0;
const waiting = new Map();
const listeners = [];
let buffer = '';
chromium.stdio[4].on('data', (data) => {
  buffer += data;
  const messages = buffer.split('\0');
  buffer = messages.pop();
  for (const message of messages.map((text) => JSON.parse(text))) {
    if (message.id) waiting.get(message.id)(message.result ?? message);
    else listeners.forEach((listener) => listener(message));
  }
});
const send = (method, params = {}, sessionId) => new Promise((done) => {
  number += 1;
  waiting.set(number, done);
  chromium.stdio[3].write(`${JSON.stringify({ id: number, method, params, sessionId })}\0`);
});

const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
const requests = new Map();
let last = Date.now();
listeners.push(({ method, params }) => {
  last = Date.now();
  if (method === 'Network.responseReceived') {
    requests.set(params.requestId, { url: params.response.url, head: params.response.encodedDataLength });
  } else if (method === 'Network.loadingFinished' && requests.has(params.requestId)) {
    const request = requests.get(params.requestId);
    request.body = params.encodedDataLength - request.head;
  }
});
await send('Network.enable', {}, sessionId);
await send('Page.enable', {}, sessionId);
await send('Page.navigate', { url: origin }, sessionId);
// Idle: nothing was transferred for a second.
while (Date.now() - last < 1000 || requests.size === 0) await new Promise((done) => setTimeout(done, 100));
const bodies = {};
for (const { url, body } of requests.values()) {
  if (url.startsWith(origin)) bodies[url.slice(origin.length) || 'index.html'] = body;
}
console.log(JSON.stringify(bodies));
server.close();
// Closed from within, it ends its own processes first; killed, they still write into the profile.
const ended = new Promise((done) => chromium.on('exit', done));
send('Browser.close');
await ended;
rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
