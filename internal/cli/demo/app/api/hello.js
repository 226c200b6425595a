// Says which of the app's variables the deployment has. Never their values.
const wanted = ['DATABASE_URL', 'UPSTASH_REDIS_REST_URL', 'UPSTASH_REDIS_REST_TOKEN', 'UPSTASH_VECTOR_REST_URL', 'SESSION_KEY'];

module.exports = (req, res) => {
  res.json({ greeting: process.env.GREETING, missing: wanted.filter((name) => !process.env[name]) });
};
