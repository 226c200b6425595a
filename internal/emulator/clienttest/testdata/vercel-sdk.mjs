// @vercel/sdk: every operation that the emulator models and the SDK has. It validates each reply by its own schemas.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Vercel } from '@vercel/sdk';

const { VERCEL_URL: serverURL, VERCEL_TOKEN: bearerToken, VERCEL_TEAM_ID: teamId } = process.env;
const vercel = new Vercel({ serverURL, bearerToken });
const { projects, deployments, aliases, domains, teams, user, environment, checks, webhooks } = vercel;

// The SDK's errors name status and body.
async function refused(call, status, code) {
  const err = await call.then(() => assert.fail(`answered, want ${status}`), e => e);
  assert.equal(err.statusCode ?? err.httpMeta?.response.status, status, `${err.name}: ${err.message}`);
  assert.equal(JSON.parse(err.body ?? '{}').error?.code ?? err.error?.code, code, err.body);
}
async function until(look, want) {
  for (;;) {
    const got = await look();
    if (want(got)) return got;
    await new Promise(r => setTimeout(r, 25));
  }
}

// Accounts
assert.equal((await user.getAuthUser()).user.username, 'emulator');
assert.equal((await teams.getTeams({})).teams[0].id, teamId);
assert.equal((await teams.getTeam({ teamId })).slug, 'acme');
await refused(new Vercel({ serverURL, bearerToken: 'wrong' }).user.getAuthUser(), 403, 'forbidden');

// Project
const project = await projects.createProject({ teamId, requestBody: {
  name: 'sdk-app', framework: 'nextjs', environmentVariables: [{ key: 'SLIPWAY', value: '{}', type: 'plain', target: ['development'] }] } });
const idOrName = project.id;
assert.equal(project.accountId, teamId);
await refused(projects.createProject({ teamId, requestBody: { name: 'sdk-app' } }), 409, 'conflict');
assert.equal((await projects.getProjects({ teamId, search: 'sdk' })).projects.length, 1);
const patched = await projects.updateProject({ teamId, idOrName, requestBody: { buildCommand: 'make', autoAssignCustomDomains: true } });
assert.equal(patched.buildCommand, 'make');
await projects.updateProjectProtectionBypass({ teamId, idOrName, requestBody: { generate: { secret: 'b'.repeat(32), note: 'sdk' } } });
assert.equal(Object.keys((await projects.getProject({ teamId, idOrName })).protectionBypass)[0], 'b'.repeat(32));

// Environment variables
const batch = await projects.createProjectEnv({ teamId, idOrName, upsert: 'true', requestBody: [
  { key: 'PLAIN', value: 'p', type: 'plain', target: ['production', 'preview'] },
  { key: 'SECRET', value: 'never shown', type: 'sensitive', target: ['production'], comment: 'fp' },
  { key: '1BAD', value: 'x', type: 'plain', target: ['production'] } ] });
assert.equal(batch.created.length, 2);
assert.equal(batch.failed[0].error.envVarKey, '1BAD');
await refused(projects.createProjectEnv({ teamId, idOrName, requestBody: { key: 'PLAIN', value: 'q', type: 'plain', target: ['preview'] } }), 400, 'ENV_CONFLICT');
const one = await projects.createProjectEnv({ teamId, idOrName, requestBody: { key: 'ENC', value: 'clear', type: 'encrypted', target: ['preview'] } });
assert.equal((await projects.getProjectEnv({ teamId, idOrName, id: one.created.id })).value, 'clear');
const { envs } = await projects.filterProjectEnvs({ teamId, idOrName });
assert.deepEqual(envs.map(e => e.key).sort(), ['ENC', 'PLAIN', 'SECRET', 'SLIPWAY']);
assert.ok(!JSON.stringify(envs).includes('never shown'));
assert.equal((await projects.editProjectEnv({ teamId, idOrName, id: one.created.id, requestBody: { value: 'new' } })).key, 'ENC');
await projects.removeProjectEnv({ teamId, idOrName, id: one.created.id });
await projects.batchRemoveProjectEnv({ teamId, idOrName, requestBody: { ids: [batch.created[0].id] } });
await refused(projects.getProjectEnv({ teamId, idOrName, id: one.created.id }), 404, 'not_found');

// Webhooks: the secret is in the create's reply only
const hook = await webhooks.createWebhook({ teamId, requestBody: { url: `${serverURL}/nowhere`, events: ['deployment.ready'], projectIds: [idOrName] } });
assert.ok(hook.secret.length > 15);
assert.ok(!JSON.stringify(await webhooks.getWebhook({ teamId, id: hook.id })).includes(hook.secret));
assert.equal((await webhooks.getWebhooks({ teamId, projectId: idOrName })).length, 1);
await webhooks.deleteWebhook({ teamId, id: hook.id });
await refused(webhooks.getWebhook({ teamId, id: hook.id }), 404, 'not_found');

// Custom environments
const qa = await environment.createCustomEnvironment({ teamId, idOrName, requestBody: { slug: 'qa', branchMatcher: { type: 'equals', pattern: 'qa' } } });
assert.equal((await environment.getProjectsByIdOrNameCustomEnvironments({ teamId, idOrName })).environments[0].id, qa.id);
assert.equal((await environment.getCustomEnvironment({ teamId, idOrName, environmentSlugOrId: 'qa' })).slug, 'qa');
assert.equal((await environment.updateCustomEnvironment({ teamId, idOrName, environmentSlugOrId: 'qa', requestBody: { description: 'x' } })).description, 'x');
await projects.createProjectEnv({ teamId, idOrName, requestBody: { key: 'QA', value: 'q', type: 'plain', customEnvironmentIds: [qa.id] } });

// Files and deployments
const page = Buffer.from('<h1>sdk</h1>');
const sha = createHash('sha1').update(page).digest('hex');
const body = { name: 'sdk-app', project: idOrName, target: 'production', projectSettings: { framework: null }, meta: { run: '1' },
  files: [{ file: 'index.html', sha, size: page.length }] };
await refused(deployments.createDeployment({ teamId, requestBody: body }), 400, 'missing_files');
await deployments.uploadFile({ teamId, contentLength: page.length, xVercelDigest: sha, requestBody: new Uint8Array(page) });
const created = await deployments.createDeployment({ teamId, requestBody: body });
const first = await until(() => deployments.getDeployment({ teamId, idOrUrl: created.id }), d => d.aliasAssigned);
assert.equal(first.readyState, 'READY');
assert.ok(first.alias.includes('sdk-app.vercel.app'));
assert.equal((await deployments.getDeployments({ teamId, projectId: idOrName, state: 'READY' })).deployments[0].uid, created.id);
const events = await deployments.getDeploymentEvents({ teamId, idOrUrl: created.id });
assert.ok(events.length > 3, JSON.stringify(events));
await projects.updateProject({ teamId, idOrName, requestBody: { autoAssignCustomDomains: false } });
const staged = await deployments.createDeployment({ teamId, requestBody: { ...body, meta: { run: '2' } } });
await until(() => deployments.getDeployment({ teamId, idOrUrl: staged.id }), d => d.aliasAssigned);
const tested = await deployments.createDeployment({ teamId, requestBody: { ...body, target: undefined, customEnvironmentSlugOrId: 'qa' } });
assert.equal(tested.customEnvironment.id, qa.id);
const ids = { teamId, deploymentId: tested.id };
const check = await checks.createCheck({ ...ids, requestBody: { name: 'lint', blocking: true, rerequestable: true } });
await until(() => deployments.getDeployment({ teamId, idOrUrl: tested.id }), d => d.readyState === 'READY');
assert.equal((await checks.updateCheck({ ...ids, checkId: check.id, requestBody: { status: 'completed', conclusion: 'failed' } })).conclusion, 'failed');
await checks.rerequestCheck({ ...ids, checkId: check.id, requestBody: {} });
assert.equal((await checks.getCheck({ ...ids, checkId: check.id })).status, 'registered');
await checks.updateCheck({ ...ids, checkId: check.id, requestBody: { status: 'completed', conclusion: 'succeeded' } });
assert.equal((await checks.getAllChecks(ids)).checks.length, 1);
await until(() => deployments.getDeployment({ teamId, idOrUrl: tested.id }), d => d.aliasAssigned);
assert.equal((await environment.removeCustomEnvironment({ teamId, idOrName, environmentSlugOrId: 'qa', requestBody: {} })).id, qa.id);
const broken = await deployments.createDeployment({ teamId, requestBody: { ...body, target: undefined, files: [{ file: 'vercelemu.fail', data: 'no luck' }] } });
const failed = await until(() => deployments.getDeployment({ teamId, idOrUrl: broken.id }), d => d.readyState === 'ERROR');
assert.equal(failed.errorMessage, 'no luck');
const stopped = await deployments.createDeployment({ teamId, requestBody: { ...body, target: undefined } });
assert.equal((await deployments.cancelDeployment({ teamId, id: stopped.id })).readyState, 'CANCELED');
assert.equal((await deployments.deleteDeployment({ teamId, id: stopped.id })).state, 'DELETED');
await refused(deployments.getDeployment({ teamId, idOrUrl: stopped.id }), 404, 'not_found');

// Aliases
await aliases.assignAlias({ teamId, id: staged.id, requestBody: { alias: 'extra.vercel.app' } });
assert.equal((await aliases.listDeploymentAliases({ teamId, id: staged.id })).aliases[0].alias, 'extra.vercel.app');
assert.ok((await aliases.listAliases({ teamId, projectId: idOrName })).aliases.length >= 2);
await aliases.getAlias({ teamId, idOrAlias: 'extra.vercel.app' });
assert.equal((await aliases.deleteAlias({ teamId, aliasId: 'extra.vercel.app' })).status, 'SUCCESS');

// Domains
const domain = 'shop.example.com';
assert.equal((await projects.addProjectDomain({ teamId, idOrName, requestBody: { name: domain } })).name, domain);
assert.equal((await projects.getProjectDomains({ teamId, idOrName })).domains.length, 2);
assert.equal((await projects.getProjectDomain({ teamId, idOrName, domain })).verified, true);
assert.equal((await projects.verifyProjectDomain({ teamId, idOrName, domain })).verified, true);
assert.equal((await projects.updateProjectDomain({ teamId, idOrName, domain, requestBody: { redirect: 'sdk-app.vercel.app', redirectStatusCode: 308 } })).redirect, 'sdk-app.vercel.app');
assert.equal((await domains.getDomainConfig({ teamId, domain })).misconfigured, true);

const second = await projects.createProject({ teamId, requestBody: { name: 'sdk-other' } });
assert.equal((await projects.moveProjectDomain({ teamId, idOrName, domain, requestBody: { projectId: second.id } })).projectId, second.id);
await projects.moveProjectDomain({ teamId, idOrName: second.id, domain, requestBody: { projectId: idOrName } });
await refused(projects.addProjectDomain({ teamId, idOrName: second.id, requestBody: { name: domain } }), 409, 'domain_already_in_use');

// Promote and roll back
await projects.requestPromote({ teamId, projectId: idOrName, deploymentId: staged.id });
const job = async () => (await projects.getProject({ teamId, idOrName })).lastAliasRequest;
assert.equal((await until(job, j => j.jobStatus === 'succeeded')).toDeploymentId, staged.id);
assert.equal((await projects.listPromoteAliases({ teamId, projectId: idOrName, failedOnly: true })).aliases.length, 0);
await projects.requestRollback({ teamId, projectId: idOrName, deploymentId: created.id, description: 'oops' });
assert.equal((await until(job, j => j.jobStatus === 'succeeded')).type, 'rollback');
assert.equal((await projects.getProject({ teamId, idOrName })).targets.production.id, created.id);

await projects.removeProjectDomain({ teamId, idOrName, domain, requestBody: {} });
await projects.deleteProject({ teamId, idOrName });
await refused(projects.getProject({ teamId, idOrName }), 404, 'not_found');
