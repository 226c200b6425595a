'use strict';
// Runs one Vercel function for one request, which comes over the connection that it makes to its caller. What it may reach
// besides are sockets named for ports: each is served at that port of localhost.
const http = require('http');
const net = require('net');
const path = require('path');
const { pathToFileURL } = require('url');
const [, entry, caller, ...doors] = process.argv;

function help(req, res, body) {
  const url = new URL(req.url, 'http://' + (req.headers.host || 'localhost'));
  req.query = Object.fromEntries(url.searchParams);
  req.cookies = Object.fromEntries((req.headers.cookie || '').split(';').map((c) => c.trim().split('=')).filter((c) => c[0]));
  const kind = req.headers['content-type'] || '';
  if (kind.startsWith('application/json') && body.length) req.body = JSON.parse(body);
  else if (kind.startsWith('application/x-www-form-urlencoded')) req.body = Object.fromEntries(new URLSearchParams(body.toString()));
  else if (kind.startsWith('text/')) req.body = body.toString();
  else if (body.length) req.body = body;
  res.status = (code) => { res.statusCode = code; return res; };
  res.json = (v) => { res.setHeader('content-type', 'application/json; charset=utf-8'); res.end(JSON.stringify(v)); return res; };
  res.send = (v) => {
    if (v && typeof v === 'object' && !Buffer.isBuffer(v)) return res.json(v);
    if (typeof v === 'string' && !res.getHeader('content-type')) res.setHeader('content-type', 'text/html; charset=utf-8');
    res.end(v); return res;
  };
  res.redirect = (a, b) => { res.writeHead(b ? a : 307, { location: b || a }); res.end(); return res; };
}

const server = http.createServer((req, res) => {
  const chunks = [];
  req.on('data', (c) => chunks.push(c));
  req.on('end', async () => {
    try {
      help(req, res, Buffer.concat(chunks));
      let mod = await import(pathToFileURL(entry).href);
      let handler = mod.default;
      if (handler && handler.__esModule && handler.default) handler = handler.default;
      if (typeof handler !== 'function') throw new Error('no function is exported by ' + entry);
      await handler(req, res);
    } catch (err) {
      process.stderr.write(String(err && err.stack || err) + '\n');
      if (!res.headersSent) { res.statusCode = 500; res.setHeader('x-vercel-error', 'FUNCTION_INVOCATION_FAILED'); }
      res.end();
    }
  });
});

// open serves a door at its port of one of localhost's addresses, where there is such an address.
function open(door, host) {
  return new Promise((done) => {
    const server = net.createServer({ allowHalfOpen: true }, (inside) => {
      const outside = net.connect({ path: door, allowHalfOpen: true });
      inside.on('error', () => outside.destroy());
      outside.on('error', () => inside.destroy());
      inside.pipe(outside).pipe(inside);
    });
    server.on('error', done);
    server.listen(Number(path.basename(door)), host, done);
  });
}

// address is what net.connect takes: a socket's path, or host:port.
function address(text) {
  if (path.isAbsolute(text)) return { path: text };
  const [host, port] = text.split(':');
  return { host, port: Number(port) };
}

Promise.all(doors.flatMap((door) => [open(door, '127.0.0.1'), open(door, '::1')])).then(() => {
  const socket = net.connect({ ...address(caller), allowHalfOpen: true }, () => server.emit('connection', socket));
});
