// Loaded before @upstash/cli, whose base URL is fixed: sends what is for https://api.upstash.com to UPSTASH_URL.
const { UPSTASH_URL } = process.env;
const real = globalThis.fetch;
globalThis.fetch = (url, init) => real(String(url).replace('https://api.upstash.com', UPSTASH_URL), init);
