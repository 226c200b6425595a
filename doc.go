// Package slipway takes a target app from source to verified production on Vercel, with its Neon database and Upstash stores.
//
// This root package is the domain: the nouns, the rules and the contracts. It does no I/O, reads no clock and draws no randomness;
// everything that does sits in internal packages and depends on this one, never the other way round.
//
// # The way of the data
//
//	manifest + source  ->  desired   \
//	                                   plan (pure)  ->  approval  ->  run: steps  ->  receipts  ->  deployment  ->  promotion
//	providers          ->  observed  /
//
// # Glossary
//
//   - Manifest: slipway.yaml, the desired state of one app.
//   - Environment: production, preview, or a named one. A run serves one.
//   - Spec: one desired resource, provider.kind plus a key, expanded from the manifest.
//   - Observation: what a provider showed of a Spec. Observing never changes anything.
//   - Receipt: what was made or adopted: account, external id, region, URLs. Never a secret.
//   - Effect: one change outside, with a stable key, its basis and its consequence.
//   - Plan: the ordered effects and checks of a run. Its digest is what an approval names.
//   - Gate: where a run waits for an approval.
//   - Run: the durable execution of a plan, in numbered revisions. Step: one unit of it.
//   - Ledger: the app's receipts in short, kept in the plain variable SLIPWAY of the Vercel project.
package slipway
