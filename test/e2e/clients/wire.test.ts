import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listAt, textAt } from '../support/json.ts';
import { type Service, startService } from '../support/service.ts';
import { createUser, type TestUser } from '../support/users.ts';
import { toGolden } from './golden.ts';
import { askRaw, type RawReply } from './raw-reply.ts';
import { type RecordedRequest, readRecording, toBytes } from './recording.ts';

/** Keys that one generation of clients or another takes out of a reply without asking whether they are there. */
const dereferenced: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^POST (\/v2)?\/folders\/?$/, ['id', 'name', 'host']],
  [/^GET \/folders\/_\/hosts$/, ['default', 'allowed']],
  [
    /^GET (\/v2)?\/folders\/(?!nofolder)[^/]+$/,
    [
      'name',
      'id',
      'is_owner',
      'permission',
      'numFiles',
      'type',
      'group',
      'user',
      'cloneable',
      'status',
      'created',
    ],
  ],
  [/^GET (\/v2)?\/folders\/[^/]+\/files/, ['files', 'items']],
  [/^POST (\/v2)?\/folders\/[^/]+\/invite$/, ['invited_ids']],
  [/^GET (\/v2)?\/folders\/invitations\/list$/, ['invitations']],
  [/^(POST|DELETE) (\/v2)?\/folders\/invitations\/(accept|delete)$/, ['msg']],
];
const listedKeys = ['name', 'id', 'host', 'is_owner', 'permission', 'type', 'user', 'group'];
const offeredKeys = ['perm', 'inviter', 'vfolder_id', 'vfolder_name', 'id', 'state'];

let service: Service;
beforeAll(async () => {
  service = await startService({ backend: 'postgres', workers: 1 });
});
afterAll(() => service?.stop());

function jsonOf(reply: RawReply): unknown {
  const isJson = /json/.test(reply.headers.get('content-type') ?? '');
  return isJson ? JSON.parse(reply.body.toString()) : undefined;
}

function checkKeys(request: RecordedRequest, reply: RawReply): void {
  if (reply.status >= 400) return;
  const json = jsonOf(reply);
  const asked = `${request.method} ${request.target}`;
  for (const [pattern, keys] of dereferenced) {
    if (pattern.test(asked))
      expect(Object.keys(Object(json)), asked).toEqual(expect.arrayContaining([...keys]));
  }
  const rows = Array.isArray(json) && /\/folders\/?$/.test(request.target) ? json : [];
  for (const row of rows) expect(Object.keys(Object(row))).toEqual(expect.arrayContaining(listedKeys));
  const offers = /invitations\/list$/.test(request.target) ? listAt(json, 'invitations') : [];
  for (const offer of offers) expect(Object.keys(Object(offer))).toEqual(expect.arrayContaining(offeredKeys));
}

/** Plays a recording; what a reply tells (ids) is put into the requests after it. */
async function replay(name: string, people: Readonly<Record<'ada' | 'bob', TestUser>>) {
  const known = new Map([
    ['folder', `wire-${randomBytes(5).toString('hex')}`],
    ['bobEmail', people.bob.email],
    ['bobKey', people.bob.keypair.accessKey],
  ]);
  const host = new URL(service.url).host;
  const golden: (readonly [string, unknown])[] = [];
  for (const request of readRecording(name)) {
    const { actor } = request;
    const keypair = actor === null ? undefined : people[actor].keypair;
    const places = Object.fromEntries(known);
    const reply = await askRaw(service.url, toBytes(request, { host, keypair, places }));
    checkKeys(request, reply);
    const json = jsonOf(reply);
    if (/invitations\/list$/.test(request.target) && listAt(json, 'invitations').length > 0) {
      known.set('invitation', textAt(json, 'invitations', 0, 'id'));
    }
    if (
      /\/folders\/_\/id$|\/folders$/.test(request.target) &&
      typeof Reflect.get(Object(json), 'id') === 'string'
    ) {
      known.set('folderId', textAt(json, 'id'));
    }
    golden.push([`${request.method} ${request.target}`, toGolden(reply)]);
  }
  return golden;
}

const recordings = ['python-1.4.2', 'python-18.12.3', 'python-19.3.2', 'python-19.9.9', 'python-20.3.10'];

describe('a recorded session of a published client', () => {
  it.each(recordings)('is answered with every key and status that %s needs', async (name) => {
    const people = { ada: await createUser(service, 'ada'), bob: await createUser(service, 'bob') };
    const golden = await replay(name, people);
    await expect(`${JSON.stringify(golden, null, 1)}\n`).toMatchFileSnapshot(`golden/${name}.txt`);
  });
});
