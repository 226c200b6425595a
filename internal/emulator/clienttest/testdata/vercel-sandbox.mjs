// @vercel/sandbox: create, run, logs, kill, files, resume, policy, timeout, list, delete. The client has no base URL, so
// its fetch rewrites the host. It validates each response, so a wrong shape fails here.
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { Sandbox } from '@vercel/sandbox';

const { SANDBOX_URL, VERCEL_TOKEN, VERCEL_TEAM_ID, OIDC_TOKEN } = process.env;
const calls = [];
const fetch = (url, init) => {
  assert.ok(String(url).startsWith('https://vercel.com/api/'), `a call elsewhere: ${url}`);
  const { dispatcher, ...rest } = init; // the client's own connection pool is of another undici than Node's
  const local = String(url).replace('https://vercel.com/api', SANDBOX_URL);
  calls.push(`${init.method} ${new URL(local).pathname.replace(new URL(SANDBOX_URL).pathname, '')}`);
  return globalThis.fetch(local, rest);
};
const credentials = { token: VERCEL_TOKEN, teamId: VERCEL_TEAM_ID, projectId: 'prj_client', fetch };
const collect = () => {
  const chunks = [];
  return { text: () => chunks.join(''), stream: new Writable({ write(c, _, done) { chunks.push(String(c)); done(); } }) };
};
const refused = (status, code) => err => {
  assert.equal(err.response?.status, status, String(err));
  assert.equal(err.json?.error?.code, code, String(err));
  return true;
};

// All three of token, team and project, or none of them.
await assert.rejects(Sandbox.create({ token: VERCEL_TOKEN, fetch }), /Missing credentials/);
await assert.rejects(Sandbox.create({ ...credentials, token: 'wrong' }), refused(403, 'forbidden'));
await assert.rejects(Sandbox.create({ ...credentials, teamId: 'team_other' }), refused(403, 'forbidden'));

const sandbox = await Sandbox.create({ ...credentials, name: 'client', ports: [3000], timeout: 120_000, env: { FROM: 'create' }, tags: { run: 'r1' },
  networkPolicy: 'deny-all', resources: { vcpus: 2 } });
assert.equal(calls.at(-1), 'POST /v3/sandboxes', 'without a runtime it is v3');
assert.equal(sandbox.status, 'running');
assert.equal(sandbox.name, 'client');
assert.equal(sandbox.networkPolicy, 'deny-all');
assert.match(sandbox.domain(3000), /^https:\/\/.+\.vercel\.run$/);
await assert.rejects(Sandbox.create({ ...credentials, name: 'client' }), refused(409, 'conflict'));

// A command that is waited for, with its output as it comes.
const out = collect(), err = collect();
const done = await sandbox.runCommand({ cmd: 'sh', args: ['-c', 'echo out $FROM $MINE; echo err >&2; exit 3'], env: { MINE: 'run' }, stdout: out.stream, stderr: err.stream });
assert.equal(done.exitCode, 3);
assert.equal(await done.stdout(), 'out create run\n');
assert.equal(await done.stderr(), 'err\n');
assert.equal(out.text(), 'out create run\n');
assert.equal(err.text(), 'err\n');
assert.equal((await sandbox.runCommand('pwd')).exitCode, 0);
assert.equal(await (await sandbox.runCommand('pwd')).stdout(), '/vercel/sandbox\n');

// Files, relative and absolute, by a tar.gz.
await sandbox.writeFiles([
  { path: 'app/run.sh', content: Buffer.from('#!/bin/sh\necho ran "$1"\n'), mode: 0o755 },
  { path: '/tmp/note', content: Buffer.from('héllo') },
]);
assert.equal(await (await sandbox.runCommand('./app/run.sh', ['well'])).stdout(), 'ran well\n');
assert.equal(String(await sandbox.readFileToBuffer({ path: '/tmp/note' })), 'héllo');
assert.equal(await sandbox.readFileToBuffer({ path: 'absent' }), null, '404 is absence');
await sandbox.mkDir('made');
await assert.rejects(sandbox.mkDir('made'), refused(400, 'bad_request'));
await sandbox.fs.writeFile('made/f', 'text');
assert.deepEqual(await sandbox.fs.readdir('made'), ['f']);
assert.equal((await sandbox.fs.stat('made/f')).size, 4);
await sandbox.fs.rename('made/f', 'made/g');
assert.equal(await sandbox.fs.readFile('made/g', 'utf8'), 'text');
await assert.rejects(sandbox.writeFiles([{ path: '/etc/passwd', content: Buffer.from('x') }]), refused(400, 'bad_request'));

// Nothing outside is reached.
const net = await sandbox.runCommand('cat', ['/proc/net/dev']);
assert.equal((await net.stdout()).split('\n').slice(2).filter(Boolean).length, 1, 'only a loopback');
assert.equal(await (await sandbox.runCommand('sh', ['-c', 'echo ${VERCEL_TOKEN:-none}; ls /root 2>&1 | head -1'])).stdout().then(s => s.split('\n')[0]), 'none');

// Detached: logs while it runs, kill, wait.
const server = await sandbox.runCommand({ cmd: 'sh', args: ['-c', 'trap "echo bye; exit 7" TERM; echo up; while :; do sleep 0.05; done'], detached: true });
assert.equal(server.exitCode, null);
let seen = '';
for await (const line of server.logs()) {
  seen += line.data;
  if (seen === 'up\n') await server.kill('SIGTERM');
}
assert.equal(seen, 'up\nbye\n');
assert.equal((await server.wait()).exitCode, 7);
assert.equal((await sandbox.getCommand(server.cmdId)).exitCode, 7);
const sleeper = await sandbox.runCommand({ cmd: 'sleep', args: ['1000'], detached: true });
await sleeper.kill('SIGKILL');
assert.equal((await sleeper.wait()).exitCode, 137);
await assert.rejects(sandbox.runCommand('no-such-program'), refused(400, 'bad_request'));
assert.equal((await sandbox.runCommand({ cmd: 'sleep', args: ['1000'], timeoutMs: 200 })).exitCode, 137);

// Settings.
const before = sandbox.timeout;
await sandbox.extendTimeout(30_000);
assert.equal(sandbox.currentSession().timeout, before + 30_000);
await sandbox.update({ networkPolicy: { allow: { 'api.example.com': [{ transform: [{ headers: { authorization: 'secret' } }] }] } }, tags: { run: 'r2' } });
assert.equal(sandbox.currentSession().networkPolicy.mode ?? 'custom', 'custom');
assert.deepEqual(sandbox.tags, { run: 'r2' });
await assert.rejects(sandbox.extendTimeout(46 * 60_000), refused(400, 'bad_request'));

// Another client finds it; lists page.
const found = await Sandbox.get({ ...credentials, name: 'client' });
assert.equal(found.currentSession().sessionId, sandbox.currentSession().sessionId);
await assert.rejects(Sandbox.get({ ...credentials, name: 'absent' }), refused(404, 'not_found'));
const second = await Sandbox.create({ ...credentials, runtime: 'node24', persistent: false });
assert.equal(calls.at(-1), 'POST /v2/sandboxes', 'with a runtime it is v2');
const names = [];
for await (const s of await Sandbox.list({ ...credentials, limit: 1 })) names.push(s.name);
assert.deepEqual(names.sort(), ['client', second.name].sort());

// A command under which the sandbox stops is told so.
let up;
const running = new Promise(resolve => (up = resolve));
const cut = second.runCommand({ cmd: 'sh', args: ['-c', 'echo up; sleep 1000'], stdout: new Writable({ write(_c, _e, next) { up(); next(); } }) })
  .then(() => assert.fail('it ended well'), e => e);
await running;
const stopped = await second.stop();
assert.equal(stopped.status, 'stopped');
const told = await cut;
assert.equal(told.code, 'sandbox_stopped', String(told));
await assert.rejects(second.currentSession().runCommand('true'), refused(410, 'sandbox_stopped'));

// A stopped sandbox is resumed by the next command, with its files when it is persistent.
await sandbox.stop();
assert.equal(await (await sandbox.runCommand('cat', ['made/g'])).stdout(), 'text');
await assert.rejects(sandbox.snapshot(), e => e.response?.status === 501);
await sandbox.delete();
await second.delete();
await assert.rejects(Sandbox.get({ ...credentials, name: 'client' }), refused(404, 'not_found'));

// The OIDC token alone is enough, and opens its own project only.
process.env.VERCEL_OIDC_TOKEN = OIDC_TOKEN;
const oidc = await Sandbox.create({ fetch, name: 'oidc' });
assert.equal((await oidc.runCommand('true')).exitCode, 0);
await assert.rejects(Sandbox.create({ fetch, token: OIDC_TOKEN, teamId: VERCEL_TEAM_ID, projectId: 'prj_client' }), refused(403, 'forbidden'));
await oidc.delete();
