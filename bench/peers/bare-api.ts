import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { openDatabase } from '../../db/client.ts';
import { findMemberFolder, listMemberFolders } from '../../db/queries/members.ts';

/** The statements of the service in a bare Hono handler: no authentication, no validation, no limits, no log. */
const { db } = openDatabase({
  url: process.env.DATABASE_URL ?? '',
  connectionsMax: 10,
  applicationName: 'bench-bare-api',
});
const userId = process.env.USER_ID ?? '';
const app = new Hono();
app.get('/folders', async (context) => {
  return context.json({ items: await listMemberFolders(db, { userId, limit: 50, offset: 0 }) });
});
app.get('/folders/:name', async (context) => {
  const name = context.req.param('name');
  return context.json({ item: await findMemberFolder(db, { userId, name, right: 'read' }) });
});
serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => {
  process.stdout.write(`listening on ${port}\n`);
});
