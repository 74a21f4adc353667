import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../support/database.ts';
import {
  basic,
  type CoreServer,
  makeKeypair,
  makeSecretBox,
  startCoreServer,
  type TestKeypair,
} from '../../core-server.ts';

let database: TestDatabase;
let server: CoreServer;
let keypair: TestKeypair;
const secrets = makeSecretBox();

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startCoreServer(database, { secrets });
  keypair = await makeKeypair(database, secrets);
});
afterAll(async () => {
  await server?.close();
  await database?.close();
});

function ask(path: string, query: string, variables: unknown = {}) {
  return server.send({
    method: 'POST',
    path,
    headers: { ...basic(keypair), 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
}

/** Fragments of which each spreads the two after it, and the last ones the first. */
function fragmentRing(length: number): string {
  const fragments = Array.from(
    { length },
    (_, n) => `fragment f${n} on VirtualFolderList { ...f${(n + 1) % length} ...f${(n + 2) % length} }`,
  );
  return `${fragments.join(' ')} { vfolder_list(limit: 1, offset: 0) { ...f0 } }`;
}

const list = 'vfolder_list(limit: 10, offset: 0) { items { name } total_count }';

describe('a GraphQL query', () => {
  it('is answered with data in both forms', async () => {
    const data = { vfolder_list: { items: [], total_count: 0 } };
    expect(await ask('/admin/gql', `{ ${list} }`)).toMatchObject({ status: 200, json: { data } });
    expect(await ask('/admin/graphql', `{ ${list} }`)).toMatchObject({ status: 200, json: data });
  });

  it.each([
    ['a field that does not exist', '{ vfolder_list(limit: 1, offset: 0) { items { secret } } }'],
    ['a query that does not exist', '{ users { email } }'],
    ['a mutation', 'mutation { delete }'],
    ['what is no GraphQL', '}{'],
    ['nothing', ''],
    ['introspection', '{ __schema { types { name } } }'],
    ['a missing argument', '{ vfolder_list { total_count } }'],
    ['a page too large', '{ vfolder_list(limit: 100000, offset: 0) { total_count } }'],
    ['a negative offset', '{ vfolder_list(limit: 1, offset: -1) { total_count } }'],
    ['a filter that makes no sense', '{ vfolder_list(limit: 1, offset: 0, filter: "x") { total_count } }'],
    ['an order that makes no sense', '{ vfolder_list(limit: 1, offset: 0, order: "x") { total_count } }'],
    ['too many fields', `{ ${Array.from({ length: 11 }, (_, n) => `f${n}: ${list}`).join(' ')} }`],
    ['a document without end', `{ ${`${list} `.repeat(2_000)} }`],
    ['a fragment of itself', '{ ...a } fragment a on Query { ...a }'],
    ['few fragments of each other', fragmentRing(18)],
    ['many fragments of each other', fragmentRing(150)],
    [
      'a variable of the wrong type',
      'query($limit: Int!) { vfolder_list(limit: $limit, offset: 0) { total_count } }',
    ],
  ])('is told what is wrong with %s', async (_what, query) => {
    const current = await ask('/admin/gql', query, { limit: 'many' });
    expect(current.status).toBe(200);
    expect(current.json.errors).toContainEqual(
      expect.objectContaining({ message: expect.stringMatching(/\S/) }),
    );
    const legacy = await ask('/admin/graphql', query, { limit: 'many' });
    expect(legacy).toMatchObject({ status: 400, json: { code: 'request_malformed' } });
  });

  it('shows nobody the folders of somebody else by id', async () => {
    const query = '{ vfolder(id: "01a211a9-3add-79a3-b7b3-8eacc2198083") { name } }';
    expect((await ask('/admin/gql', query)).json).toEqual({ data: { vfolder: null } });
  });

  it('needs credentials', async () => {
    const body = JSON.stringify({ query: `{ ${list} }` });
    expect((await server.send({ method: 'POST', path: '/admin/gql', body })).status).toBe(401);
  });
});
