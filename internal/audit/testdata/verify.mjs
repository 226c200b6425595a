// Verifies an audit bundle by docs/format-audit-bundle.md alone: node verify.mjs FILE PUBLIC_KEY_HEX. It shares nothing with Slipway.
import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';

const [file, key] = process.argv.slice(2);
const sha256 = (...parts) => parts.reduce((h, p) => h.update(p), createHash('sha256')).digest();
const hex = (...parts) => sha256(...parts).toString('hex');
function check(ok, what) {
  if (!ok) {
    console.error(`not valid: ${what}`);
    process.exit(1);
  }
}

// Entries: stored, one after the other.
const zip = readFileSync(file);
const entries = new Map();
for (let at = 0; zip.readUInt32LE(at) === 0x04034b50;) {
  const size = zip.readUInt32LE(at + 18), name = zip.readUInt16LE(at + 26), body = at + 30 + name;
  entries.set(zip.toString('ascii', at + 30, body), zip.subarray(body, body + size));
  at = body + size;
}
const version = Number(/^slipway audit bundle ([1-9][0-9]*)\n$/.exec(entries.get('BUNDLE') ?? '')?.[1]);
check(version === 1 || version === 2, 'BUNDLE');

// RFC 8785: JSON.stringify writes numbers and strings as it asks, and members are sorted by UTF-16 code units, as sort() does.
const canonical = (v) => Array.isArray(v) ? `[${v.map(canonical).join(',')}]`
  : v && typeof v === 'object' ? `{${Object.keys(v).sort().map((k) => `${JSON.stringify(k)}:${canonical(v[k])}`).join(',')}}`
    : JSON.stringify(v);
const json = (name) => {
  const v = JSON.parse(entries.get(name));
  check(canonical(v) === entries.get(name).toString(), `${name} is not canonical`);
  return v;
};

// DSSE: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
const ed25519 = createPublicKey({ key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(key, 'hex')]), format: 'der', type: 'spki' });
const open = (name) => {
  const e = JSON.parse(entries.get(name));
  const payload = Buffer.from(e.payload, 'base64');
  const pae = Buffer.concat([Buffer.from(`DSSEv1 ${e.payloadType.length} ${e.payloadType} ${payload.length} `), payload]);
  check(e.signatures.length === 1 && verify(null, pae, ed25519, Buffer.from(e.signatures[0].sig, 'base64')), `${name} is not signed by this key`);
  check(e.payloadType === 'application/vnd.in-toto+json', `${name} is no statement`);
  return { payload, statement: JSON.parse(payload) };
};

const index = json('index.json');
check(index.version === version, 'the version of the index');
const core = hex(entries.get('index.json'));
const { statement: seal } = open('signature.json');
check(seal.predicateType === 'https://slipway.dev/attestation/audit-bundle/v1', 'signature.json');
check(seal.subject[0].digest.sha256 === core && seal.predicate.core === `sha256:${core}`, 'signature.json is about another index');
check(entries.size === 3 + index.files.length + index.statements.length, 'an entry is not listed');
for (const f of index.files) {
  check(entries.get(f.path)?.length === f.size && hex(entries.get(f.path)) === f.sha256, f.path);
}
for (const s of index.statements) {
  const { payload, statement } = open(s.path);
  check(hex(payload) === s.sha256 && statement.predicateType === s.type, s.path);
}

let head = sha256(index.run), seq = 0;
for (const line of entries.get('core/events.jsonl').toString().trimEnd().split('\n')) {
  const { event, hash } = JSON.parse(line);
  head = sha256(head, canonical(event));
  check(head.toString('hex') === hash && event.seq === ++seq && event.run === index.run, `event ${seq}`);
}
check(index.events.seq === seq && index.events.head === head.toString('hex'), 'the chain does not end at the checkpoint');

const run = json('core/run.json');
for (let n = 1; n <= run.revision; n++) {
  const plan = json(`core/plans/${String(n).padStart(4, '0')}.json`);
  for (const name of ['access', 'built', 'rotated', 'shipped', 'unverified']) delete plan[name];
  if (plan.report?.skipped) delete plan.report;
  for (const u of plan.existing ?? []) delete u.note;
  for (const e of plan.effects) {
    for (const name of ['changes', 'cause', 'why', 'consequence']) delete e[name];
    Object.assign(e, { reason: '', reversible: false });
  }
  plan.effects.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  check(entries.get('core/events.jsonl').includes(`"digest":"sha256:${hex(canonical(plan))}"`), `plan ${n}`);
}
for (const a of json('core/approvals.json')) {
  check(`sha256:${hex(canonical(a.content))}` === a.subject, `approval ${a.id}`);
  if (a.policy && version >= 2) {
    const text = entries.get(`core/policies/${a.policy.slice('sha256:'.length)}.cedar`);
    check(text && `sha256:${hex(text)}` === a.policy, `the policy of approval ${a.id}`);
  }
}
console.log(`valid: ${entries.size} entries, ${seq} events, core sha256:${core}`);
