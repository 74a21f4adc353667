import { randomBytes } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Route } from '../../api/route.ts';
import { routes } from '../../api/routes.ts';
import { createServer } from '../../api/server.ts';
import { insertKeypair } from '../../db/queries/keypairs.ts';
import { folders } from '../../db/schema/folders.ts';
import { invitations } from '../../db/schema/invitations.ts';
import { keypairs } from '../../db/schema/keypairs.ts';
import { members } from '../../db/schema/members.ts';
import { users } from '../../db/schema/users.ts';
import { holdsRight, type Permission } from '../../domain/permission.ts';
import { insertTestFolder, insertTestMember, insertTestUser } from '../support/factories.ts';
import { askRoute, type RouteAnswer } from './ask-route.ts';
import { startTestService, type TestService } from './folders/test-service.ts';

/** Everybody who may knock, with what they hold of the folder at that moment. */
const actors = {
  anonymous: null,
  stranger: null,
  invited: null,
  removed: null,
  'inactive user': 'rd',
  'inactive key': 'rd',
  ro: 'ro',
  rw: 'rw',
  rd: 'rd',
  owner: 'owner',
} as const satisfies Record<string, Permission | 'owner' | null>;
type Actor = keyof typeof actors;

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

let service: TestService;
let base: string;
let close: () => Promise<void>;
const people = new Map<Actor, { readonly userId: string; readonly authorization: string | undefined }>();

beforeAll(async () => {
  service = await startTestService();
  const { services } = service;
  for (const actor of Object.keys(actors) as Actor[]) people.set(actor, await enrol(actor));
  const server = createServer({ services, routes, logger: silent });
  base = `http://127.0.0.1:${await server.listen({ port: 0, host: '127.0.0.1' })}`;
  close = () => server.close(1_000);
});
afterAll(async () => {
  await close?.();
  await service?.close();
});

async function enrol(actor: Actor) {
  const { db, secrets } = service.services;
  const userId = await insertTestUser(db);
  if (actor === 'anonymous') return { userId, authorization: undefined };
  const accessKey = `AK${randomBytes(9).toString('hex').toUpperCase()}`;
  await insertKeypair(db, { accessKey, userId, secretSealed: secrets.seal('secret') });
  if (actor === 'inactive user') await db.update(users).set({ isActive: false }).where(eq(users.id, userId));
  if (actor === 'inactive key') {
    await db.update(keypairs).set({ isActive: false }).where(eq(keypairs.accessKey, accessKey));
  }
  return { userId, authorization: `Basic ${Buffer.from(`${accessKey}:secret`).toString('base64')}` };
}

function idOf(actor: Actor): string {
  const person = people.get(actor);
  if (person === undefined) throw new Error(`Nobody is ${actor}.`);
  return person.userId;
}

/** A fresh folder, since what is allowed may take it away, that `actor` has the history with that its name says. */
async function makeFolder(actor: Actor): Promise<string> {
  const { db } = service.services;
  const held = actors[actor];
  const ownerId = held === 'owner' ? idOf('owner') : await insertTestUser(db);
  const folder = await insertTestFolder(db, { ownerId });
  // Without this, cloning is the owner's alone, by an option and not by the right.
  await db.update(folders).set({ cloneable: true }).where(eq(folders.id, folder.id));
  await service.volume.createFolder(folder.id);
  const membership = { folderId: folder.id, userId: idOf(actor), name: folder.name };
  if (held !== null && held !== 'owner') await insertTestMember(db, { ...membership, permission: held });
  if (actor === 'removed') {
    await insertTestMember(db, { ...membership, permission: 'rd' });
    await db.delete(members).where(eq(members.userId, idOf(actor)));
  }
  if (actor === 'invited') {
    await db.insert(invitations).values({
      id: uuidv7(),
      folderId: folder.id,
      inviterId: ownerId,
      inviteeId: idOf(actor),
      permission: 'rd',
    });
  }
  return actor === 'owner' ? folder.name : folder.id;
}

async function ask(route: Route, actor: Actor): Promise<RouteAnswer> {
  const name = route.right === null ? 'none' : await makeFolder(actor);
  const path = route.path.replace(':name', name).replace(':path{.+}', 'a').replaceAll(/:\w+/g, uuidv7());
  const { authorization } = people.get(actor) ?? {};
  return await askRoute(base, route, { path, authorization });
}

const all = Object.keys(actors) as Actor[];
const unproven: readonly Actor[] = ['anonymous', 'inactive user', 'inactive key'];
const nameOf = ({ method, path }: Route): string => `${method} ${path}`;
const behindKeys = routes
  .filter(({ access }) => access !== 'public')
  .map((route) => [nameOf(route), route] as const);
const onFolders = routes
  .filter(({ right }) => right !== null)
  .map((route) => [nameOf(route), route] as const);

/** Those without the right, by the one table that says what a permission grants. */
function mayNot({ right }: Route, actor: Actor): boolean {
  const held = actors[actor];
  if (right === null || held === 'owner') return false;
  return held === null || !holdsRight({ permission: held, isOwner: false }, right);
}

/** Whatever else stands in the way of a request, it is not the right. */
function expectServed(route: Route, actor: Actor, { status, code }: Awaited<ReturnType<typeof ask>>): void {
  expect([401, 403], `${actor}: ${status} ${code}`).not.toContain(status);
  expect(status, `${actor}: ${code}`).toBeLessThan(500);
  // Things inside the folder may be missing; the folder is not.
  if (!route.path.includes(':member')) expect(code, actor).not.toBe('not_found');
}

describe('every declared route', () => {
  it.each(behindKeys)('%s is answered to nobody who cannot prove who they are', async (_name, route) => {
    for (const actor of unproven) {
      const { status, code } = await ask(route, actor);
      expect(status, actor).toBe(401);
      const expected = actor === 'anonymous' ? 'auth_required' : 'auth_failed';
      if (route.method !== 'HEAD') expect(code, actor).toBe(expected);
    }
  });

  it.each(behindKeys.filter(([, { access }]) => access === 'admin'))(
    '%s is for administrators',
    async (_name, route) => {
      for (const actor of ['stranger', 'owner'] as const) expect((await ask(route, actor)).status).toBe(403);
    },
  );

  it.each(onFolders)(
    '%s is not found by those without its right, and is by the others',
    async (_name, route) => {
      for (const actor of all.filter((one) => !unproven.includes(one))) {
        const answer = await ask(route, actor);
        const missing = { status: 404, code: route.method === 'HEAD' ? '' : 'not_found' };
        if (mayNot(route, actor)) expect(answer, actor).toEqual(missing);
        else expectServed(route, actor, answer);
      }
    },
  );
});
