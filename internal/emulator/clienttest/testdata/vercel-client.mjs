// @vercel/client: hashing, create, missing_files, upload, poll until the aliases are assigned.
import assert from 'node:assert/strict';
import { mkdtempSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { createDeployment } from '@vercel/client';

const { VERCEL_URL, VERCEL_TOKEN, VERCEL_TEAM_ID, HOSTING_URL } = process.env;
const folder = mkdtempSync(join(process.env.HOME ?? tmpdir(), 'app-'));
mkdirSync(join(folder, 'a'));
writeFileSync(join(folder, 'index.html'), '<h1>one</h1>');
writeFileSync(join(folder, 'a', 'b.txt'), 'bee');

async function deploy(options) {
  const events = [];
  for await (const event of createDeployment(
    { token: VERCEL_TOKEN, teamId: VERCEL_TEAM_ID, apiUrl: VERCEL_URL, path: folder, isDirectory: true, skipAutoDetectionConfirmation: true },
    { name: 'client-app', projectSettings: { framework: null }, ...options },
  )) {
    events.push(event);
  }
  return events;
}
const named = (events, type) => events.filter(e => e.type === type);
// One after another in this order, other events between them.
function inOrder(events, ...types) {
  const seen = events.map(e => e.type);
  let at = -1;
  for (const type of types) {
    const next = seen.indexOf(type, at + 1);
    assert.ok(next > at, `${type} missing after ${types[0]}: ${seen}`);
    at = next;
  }
}
async function visit(host, path) {
  const { request } = await import('node:http');
  const at = new URL(HOSTING_URL);
  return new Promise((resolve, reject) => request({ host: at.hostname, port: at.port, path, headers: { host } }, res => {
    let body = '';
    res.on('data', d => (body += d)).on('end', () => resolve({ status: res.statusCode, body }));
  }).on('error', reject).end());
}

// Both files are missing at first, and are uploaded; READY comes before the aliases.
let events = await deploy({ target: 'production' });
assert.deepEqual(named(events, 'error'), []);
inOrder(events, 'hashes-calculated', 'file-count', 'file-uploaded', 'file-uploaded', 'all-files-uploaded', 'created', 'ready', 'alias-assigned');
assert.equal(named(events, 'file-count')[0].payload.missing.length, 2);
const first = named(events, 'alias-assigned')[0].payload;
assert.equal(named(events, 'ready')[0].payload.aliasAssigned, false);
assert.ok(first.alias.includes('client-app.vercel.app'), first.alias.join());
assert.deepEqual(await visit('client-app.vercel.app', '/'), { status: 200, body: '<h1>one</h1>' });

// One file changed: only that one is missing. Staged: production stays where it is.
writeFileSync(join(folder, 'index.html'), '<h1>two</h1>');
events = await deploy({ target: 'production', autoAssignCustomDomains: false });
assert.equal(named(events, 'file-count')[0].payload.missing.length, 1);
const staged = named(events, 'alias-assigned')[0].payload;
assert.equal(staged.readySubstate, 'STAGED');
assert.deepEqual(staged.alias, []);
assert.equal((await visit('client-app.vercel.app', '/')).body, '<h1>one</h1>');

// Nothing changed: nothing is uploaded, and a preview gets no production alias.
events = await deploy({});
assert.deepEqual(named(events, 'file-uploaded'), []);
assert.equal(named(events, 'alias-assigned')[0].payload.target, null);

// A build that fails ends in an error event that says why.
writeFileSync(join(folder, 'vercelemu.fail'), 'no luck');
events = (await deploy({ files: undefined, meta: { broken: '1' } }).catch(e => [{ type: 'error', payload: e }]));
assert.equal(named(events, 'error')[0]?.payload.errorMessage, 'no luck', JSON.stringify(events.at(-1)));

// A wrong token is the API's own error.
const refused = [];
for await (const e of createDeployment({ token: 'wrong', teamId: VERCEL_TEAM_ID, apiUrl: VERCEL_URL, path: folder }, { name: 'x' })) refused.push(e);
assert.equal(refused.at(-1).type, 'error');
assert.equal(refused.at(-1).payload.code, 'forbidden');
