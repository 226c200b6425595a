import { cache, search, sql } from "../lib/stores.js";

// 200 only when all three stores answer: this is what Slipway probes before production moves.
export async function GET() {
  const answers = await Promise.allSettled([sql`select 1`, cache.ping(), search.info()]);
  const [database, redis, vector] = answers.map((a) => (a.status === "fulfilled" ? "ok" : "down"));
  const ok = answers.every((a) => a.status === "fulfilled");
  return Response.json({ status: ok ? "ok" : "down", database, redis, vector }, { status: ok ? 200 : 503 });
}
