// Deploys $FOLDER as $NAME by @vercel/client, for the benchmark that compares with it.
import { createDeployment } from '@vercel/client';

const { VERCEL_URL, VERCEL_TOKEN, VERCEL_TEAM_ID, FOLDER, NAME } = process.env;
let last;
for await (const event of createDeployment(
  { token: VERCEL_TOKEN, teamId: VERCEL_TEAM_ID, apiUrl: VERCEL_URL, path: FOLDER, isDirectory: true, skipAutoDetectionConfirmation: true },
  { name: NAME, projectSettings: { framework: null }, target: 'production' },
)) {
  last = event;
  if (event.type === 'error' || event.type === 'created') break;
}
if (last?.type !== 'created') throw new Error(JSON.stringify(last));
