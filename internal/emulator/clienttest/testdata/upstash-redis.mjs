// @upstash/redis: single commands, pipelines, transactions, scripts of types, and errors.
import assert from 'node:assert/strict';
import { Redis } from '@upstash/redis';

const { REDIS_URL: url, REDIS_TOKEN: token, REDIS_READ_TOKEN: readToken } = process.env;
const redis = new Redis({ url, token, enableTelemetry: false, retry: false });
const same = assert.deepEqual;

same(await redis.ping(), 'PONG');
same(await redis.set('greeting', 'hällo'), 'OK');
same(await redis.get('greeting'), 'hällo');
same(await redis.get('none'), null);
await redis.set('object', { a: [1, 'two', null] }, { ex: 100 });
same(await redis.get('object'), { a: [1, 'two', null] });
const left = await redis.ttl('object');
assert.ok(left > 90 && left <= 100, `ttl ${left}`);
same(await redis.incrby('n', 41) + await redis.incr('n'), 83);
same(await redis.mget('greeting', 'none', 'n'), ['hällo', null, 42]);
same(await redis.hset('hash', { a: 1, b: 'x' }), 2);
same(await redis.hgetall('hash'), { a: 1, b: 'x' });
same(await redis.rpush('list', 'a', 'b', 'c'), 3);
same(await redis.lrange('list', 0, -1), ['a', 'b', 'c']);
same(await redis.zadd('z', { score: 1, member: 'one' }, { score: 2, member: 'two' }), 2);
same(await redis.zrange('z', 0, -1, { withScores: true }), ['one', 1, 'two', 2]);
same((await redis.smembers('nothing')).length, 0);
same(await redis.eval('return {KEYS[1], ARGV[1]}', ['k'], ['v']), ['k', 'v']);
const keys = [];
for (let cursor = '0'; ;) {
  const [next, found] = await redis.scan(cursor, { match: '*', count: 100 });
  keys.push(...found);
  if ((cursor = String(next)) === '0') break;
}
same(keys.sort(), ['greeting', 'hash', 'list', 'n', 'object', 'z']);

same(await redis.pipeline().set('p', 1).incr('p').get('p').exec(), ['OK', 2, 2]);
same(await redis.multi().set('m', 'x').append('m', 'y').get('m').exec(), ['OK', 2, 'xy']);
await assert.rejects(redis.pipeline().get('greeting').incr('greeting').exec(), /Command 2 \[ incr \] failed: ERR value is not an integer/);
await assert.rejects(redis.incr('greeting'), /ERR value is not an integer or out of range/);
await assert.rejects(new Redis({ url, token: 'wrong', enableTelemetry: false, retry: false }).get('greeting'), /Unauthorized/);

const reader = new Redis({ url, token: readToken, enableTelemetry: false, retry: false });
same(await reader.get('greeting'), 'hällo');
await assert.rejects(reader.set('greeting', 'x'), /NOPERM/);
same(await redis.del('greeting', 'none'), 1);
same(await redis.flushall(), 'OK');
same(await redis.dbsize(), 0);
