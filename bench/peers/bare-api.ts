import { serve } from '@hono/node-server';
import { and, asc, eq, inArray, or, sql } from 'drizzle-orm';
import { Hono } from 'hono';
import { openDatabase } from '../../db/client.ts';
import { counterColumns } from '../../db/queries/usage.ts';
import { folders } from '../../db/schema/folders.ts';
import { members } from '../../db/schema/members.ts';
import { users } from '../../db/schema/users.ts';
import { permissions } from '../../domain/permission.ts';

/**
 * The statements of the service in a bare Hono handler, written as one would with the query builder: no authentication, no
 * validation, no limits, no log. They are the peer's own, so that the yardstick does not move with what it measures.
 */
const { db } = openDatabase({
  url: process.env.DATABASE_URL ?? '',
  connectionsMax: 10,
  applicationName: 'bench-bare-api',
});
const userId = process.env.USER_ID ?? '';
const folderColumns = {
  id: folders.id,
  volume: folders.volume,
  ownerId: folders.ownerId,
  ownerEmail: users.email,
  usageMode: folders.usageMode,
  cloneable: folders.cloneable,
  defaultPermission: folders.permission,
  ...counterColumns,
  usageAsOf: folders.usageAsOf,
  createdAt: folders.createdAt,
};

const app = new Hono();
app.get('/folders', async (context) => {
  const items = await db
    .select({
      ...folderColumns,
      name: members.name,
      permission: members.permission,
      isOwner: members.isOwner,
    })
    .from(members)
    .innerJoin(folders, and(eq(folders.id, members.folderId), eq(folders.state, 'active')))
    .innerJoin(users, eq(users.id, folders.ownerId))
    .where(eq(members.userId, userId))
    .orderBy(asc(sql`${members.name} COLLATE "C"`))
    .limit(50)
    .offset(0);
  return context.json({ items });
});
app.get('/folders/:name', async (context) => {
  const isNamed = eq(members.name, context.req.param('name'));
  const member = db
    .select()
    .from(members)
    .where(and(eq(members.userId, userId), isNamed))
    .orderBy(isNamed)
    .limit(1)
    .as('member');
  const [item = null] = await db
    .select({ ...folderColumns, name: member.name, permission: member.permission, isOwner: member.isOwner })
    .from(member)
    .innerJoin(folders, and(eq(folders.id, member.folderId), eq(folders.state, 'active')))
    .innerJoin(users, eq(users.id, folders.ownerId))
    .where(or(member.isOwner, inArray(member.permission, [...permissions])));
  return context.json({ item });
});
serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => {
  process.stdout.write(`listening on ${port}\n`);
});
