// @neondatabase/api-client: every operation that the emulator models. It does not validate replies; this does.
import assert from 'node:assert/strict';
import { createApiClient, EndpointType } from '@neondatabase/api-client';

const { NEON_URL: baseURL, NEON_API_KEY: apiKey, NEON_ORG_ID: org_id } = process.env;
const neon = createApiClient({ apiKey, baseURL });

// The client's errors are axios's.
async function refused(call, status, message, code = '') {
  const err = await call.then(() => assert.fail(`answered, want ${status}`), e => e);
  assert.equal(err.response?.status, status, err.message);
  assert.equal(err.response.data.message, message);
  assert.equal(err.response.data.code, code);
}
const data = async call => (await call).data;
// Neon's own words: 423 is safe to retry, and a change is made when its operations have finished.
async function settled(id) {
  for (;;) {
    const { operations } = await data(neon.listProjectOperations({ projectId: id }));
    assert.ok(operations.every(o => o.status !== 'failed'));
    if (operations.every(o => o.status === 'finished')) return operations;
    await new Promise(r => setTimeout(r, 10));
  }
}
async function change(id, call) {
  const got = await data(call);
  await settled(id);
  return got;
}

// Accounts
await refused(createApiClient({ apiKey: 'wrong', baseURL }).getCurrentUserInfo(), 401, 'supplied credentials do not pass authentication');
assert.equal((await data(neon.getCurrentUserInfo())).login, 'emulator');
assert.equal((await data(neon.getAuthDetails())).auth_method, 'api_key_user');
assert.equal((await data(neon.getCurrentUserOrganizations())).organizations[0].id, org_id);
assert.equal((await data(neon.getOrganization(org_id))).plan, 'launch');
assert.ok((await data(neon.getActiveRegions({}))).regions.some(r => r.region_id === 'aws-eu-central-1'));

// Projects
await refused(neon.createProject({ project: {} }), 400, 'org_id is required, you can find it on your organization settings page');
const made = await data(neon.createProject({ project: { name: 'shop', org_id, pg_version: 16,
  branch: { name: 'prod', role_name: 'app', database_name: 'store' } } }));
const id = made.project.id, main = made.branch.id;
assert.equal(made.branch.current_state, 'init');
assert.equal(made.roles[0].password, made.connection_uris[0].connection_parameters.password);
// Locked while its operations run; on a slow machine they may be over by now, and then the branch goes again.
const early = await neon.createProjectBranch(id, {}).catch(e => e.response);
if (early.status === 423) assert.match(early.data.message, /conflicting operations/);
else {
  assert.equal(early.status, 201);
  await settled(id);
  await change(id, neon.deleteProjectBranch({ projectId: id, branchId: early.data.branch.id }));
}
assert.equal((await settled(id)).length >= 2, true);
assert.equal((await data(neon.getProjectOperation(id, made.operations[0].id))).operation.status, 'finished');
assert.equal((await data(neon.updateProject(id, { project: { name: 'shop2' } }))).project.name, 'shop2');
assert.equal((await data(neon.getProject(id))).project.name, 'shop2');
const twin = await data(neon.createProject({ project: { name: 'shop2', org_id } }));
assert.equal((await data(neon.listProjects({ org_id, search: 'shop' }))).projects.filter(p => p.name === 'shop2').length, 2);
await refused(neon.createProject({ project: { org_id } }), 422, 'user projects limit of 2 exceeded, got 2', 'PROJECTS_LIMIT_EXCEEDED');
const page = await data(neon.listProjects({ org_id, limit: 1 }));
assert.equal(page.projects.length, 1);
assert.equal((await data(neon.listProjects({ org_id, limit: 1, cursor: page.pagination.cursor }))).projects.length, 1);
await settled(twin.project.id);
await neon.deleteProject(twin.project.id);
await refused(neon.getProject(twin.project.id), 404, 'project not found');
assert.equal((await data(neon.recoverProject(twin.project.id))).project.id, twin.project.id);
await neon.deleteProject(twin.project.id);

// Connection strings
const uri = async query => new URL((await data(neon.getConnectionUri({ projectId: id, database_name: 'store', role_name: 'app', ...query }))).uri);
const direct = await uri({}), pooled = await uri({ pooled: true });
assert.equal(pooled.hostname, direct.hostname.replace('.', '-pooler.'));
assert.equal(direct.password, made.roles[0].password);
await refused(neon.getConnectionUri({ projectId: id, database_name: 'store', role_name: 'none' }), 404, 'role not found');

// Branches, computes, roles, databases
const dev = await change(id, neon.createProjectBranch(id, { branch: { name: 'dev' }, endpoints: [{ type: EndpointType.ReadWrite }] }));
const b = dev.branch.id, e = dev.endpoints[0].id;
assert.equal(dev.branch.parent_id, main);
assert.equal((await data(neon.countProjectBranches({ projectId: id }))).count, 2);
assert.deepEqual((await data(neon.listProjectBranches({ projectId: id, sort_by: 'name', sort_order: 'asc' }))).branches.map(x => x.name), ['dev', 'prod']);
assert.equal((await change(id, neon.updateProjectBranch(id, b, { branch: { name: 'dev2' } }))).branch.name, 'dev2');
assert.equal((await data(neon.getProjectBranch(id, b))).branch.name, 'dev2');
assert.equal((await data(neon.listProjectBranchEndpoints(id, b))).endpoints[0].id, e);
const role = (await change(id, neon.createProjectBranchRole(id, b, { role: { name: 'reader' } }))).role;
assert.equal((await data(neon.getProjectBranchRolePassword(id, b, 'reader'))).password, role.password);
assert.equal((await data(neon.getProjectBranchRole(id, b, 'reader'))).role.password, undefined);
assert.notEqual((await change(id, neon.resetProjectBranchRolePassword(id, b, 'reader'))).role.password, role.password);
assert.equal((await data(neon.listProjectBranchRoles(id, b))).roles.length, 2);
await change(id, neon.createProjectBranchDatabase(id, b, { database: { name: 'extra', owner_name: 'reader' } }));
await change(id, neon.updateProjectBranchDatabase(id, b, 'extra', { database: { name: 'extra2' } }));
assert.equal((await data(neon.getProjectBranchDatabase(id, b, 'extra2'))).database.owner_name, 'reader');
assert.equal((await data(neon.listProjectBranchDatabases(id, b))).databases.length, 2);
await refused(neon.deleteProjectBranchRole(id, b, 'reader'), 422, 'role "reader" owns databases');
await change(id, neon.deleteProjectBranchDatabase(id, b, 'extra2'));
await change(id, neon.deleteProjectBranchRole(id, b, 'reader'));
assert.equal((await neon.deleteProjectBranchRole(id, b, 'reader')).status, 204);
for (const act of ['suspendProjectEndpoint', 'startProjectEndpoint', 'restartProjectEndpoint']) await change(id, neon[act](id, e));
assert.equal((await change(id, neon.updateProjectEndpoint(id, e, { endpoint: { suspend_timeout_seconds: 60 } }))).endpoint.suspend_timeout_seconds, 60);
assert.equal((await data(neon.getProjectEndpoint(id, e))).endpoint.current_state, 'active');
const replica = await change(id, neon.createProjectEndpoint(id, { endpoint: { branch_id: b, type: EndpointType.ReadOnly } }));
assert.equal((await data(neon.listProjectEndpoints(id))).endpoints.length, 3);
await change(id, neon.deleteProjectEndpoint(id, replica.endpoint.id));
await refused(neon.deleteProjectBranch({ projectId: id, branchId: main }), 422, 'cannot delete the root branch');
await change(id, neon.setDefaultProjectBranch(id, b));
await refused(neon.deleteProjectBranch({ projectId: id, branchId: b }), 422, 'cannot delete the default branch');
await change(id, neon.setDefaultProjectBranch(id, main));
await change(id, neon.deleteProjectBranch({ projectId: id, branchId: b }));
assert.equal((await change(id, neon.recoverProjectBranch(id, b))).branch.id, b);
await neon.deleteProject(id);
await refused(neon.listProjectBranches({ projectId: id }), 404, 'project not found');
