// @upstash/vector: upsert, query, fetch, range, update, delete, namespaces, info, and errors.
import assert from 'node:assert/strict';
import { Index } from '@upstash/vector';

const { VECTOR_URL: url, VECTOR_TOKEN: token, VECTOR_READ_TOKEN: readToken } = process.env;
const index = new Index({ url, token, enableTelemetry: false, retry: false });
const same = assert.deepEqual;

same(await index.upsert([
  { id: 'east', vector: [1, 0], metadata: { side: 'right' }, data: 'e' },
  { id: 2, vector: [0, 1] },
  { id: 'west', vector: [-1, 0] },
]), 'Success');
same((await index.query({ vector: [2, 0], topK: 3 })).map(h => [h.id, h.score]), [['east', 1], ['2', 0.5], ['west', 0]]);
same(await index.query({ vector: [1, 0], topK: 1, includeMetadata: true, includeVectors: true, includeData: true }),
  [{ id: 'east', score: 1, vector: [1, 0], metadata: { side: 'right' }, data: 'e' }]);
same((await index.queryMany([{ vector: [1, 0], topK: 1 }, { vector: [0, 1], topK: 1 }])).map(l => l[0].id), ['east', '2']);
same(await index.fetch(['east', 'none'], { includeVectors: true }), [{ id: 'east', vector: [1, 0] }, null]);
same(await index.fetch({ prefix: 'w' }), [{ id: 'west' }]);
same(await index.update({ id: 'west', vector: [0, -1] }), { updated: 1 });
same((await index.fetch(['west'], { includeVectors: true }))[0].vector, [0, -1]);
same(await index.update({ id: 'none', metadata: {} }), { updated: 0 });

const seen = [];
for (let cursor = '0'; ;) {
  const page = await index.range({ cursor, limit: 2 });
  seen.push(...page.vectors.map(v => v.id));
  if (!(cursor = page.nextCursor)) break;
}
same(seen.sort(), ['2', 'east', 'west']);

const other = index.namespace('other');
same(await other.upsert({ id: 'alone', vector: [1, 1] }), 'Success');
same((await other.query({ vector: [1, 1], topK: 5 })).length, 1);
same((await index.listNamespaces()).sort(), ['', 'other']);
const info = await index.info();
same([info.vectorCount, info.dimension, info.similarityFunction, info.namespaces.other.vectorCount], [4, 2, 'COSINE', 1]);
same(await index.deleteNamespace('other'), 'Success');
same(await index.listNamespaces(), ['']);

await assert.rejects(index.upsert({ id: 'x', vector: [1, 2, 3] }), /Invalid vector dimension: 3, expected: 2/);
await assert.rejects(new Index({ url, token: 'wrong', enableTelemetry: false, retry: false }).info(), /Unauthorized/);
const reader = new Index({ url, token: readToken, enableTelemetry: false, retry: false });
same((await reader.info()).vectorCount, 3);
await assert.rejects(reader.upsert({ id: 'x', vector: [1, 1] }), /read-only/);
await assert.rejects(index.query({ vector: [1, 0], topK: 1, filter: "side = 'right'" }), /does not model filters/);
same(await index.delete(['east', 'none']), { deleted: 1 });
same(await index.reset(), 'Success');
same(await index.query({ vector: [1, 0], topK: 1 }), []);
