import { timingSafeEqual } from "node:crypto";
import { cache, sql } from "../lib/stores.js";

export async function GET() {
  const products = (await cache.get("products")) ?? (await load());
  return Response.json({ shop: process.env.SHOP_NAME, products });
}

// Adds a product: {"name": "...", "cents": 100}, with the admin's password as bearer.
export async function POST(request) {
  if (!isAdmin(request.headers.get("authorization"))) return new Response("forbidden", { status: 403 });
  const { name, cents } = await request.json();
  await ready();
  await sql`insert into products (name, cents) values (${name}, ${cents})`;
  await cache.del("products");
  return new Response(null, { status: 201 });
}

const ready = () => sql`create table if not exists products (id serial primary key, name text not null, cents int not null)`;

async function load() {
  await ready();
  const products = await sql`select id, name, cents from products order by id`;
  await cache.set("products", products, { ex: 60 });
  return products;
}

function isAdmin(header) {
  const want = Buffer.from(`Bearer ${process.env.ADMIN_PASSWORD}`);
  const have = Buffer.from(header ?? "");
  return have.length === want.length && timingSafeEqual(have, want);
}
