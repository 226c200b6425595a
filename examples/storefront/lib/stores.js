import { neon } from "@neondatabase/serverless";
import { Redis } from "@upstash/redis";
import { Index } from "@upstash/vector";

export const sql = neon(process.env.DATABASE_URL);
export const cache = Redis.fromEnv();
export const search = Index.fromEnv();
