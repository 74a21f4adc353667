import { randomBytes } from 'node:crypto';
import { type Client, pathOf } from './http-client.ts';
import { textAt } from './json.ts';
import type { Service } from './service.ts';
import type { Keypair } from './signature.ts';

/** A user with a keypair, made through the administrator's routes. */
export interface TestUser {
  /** Dashed. */
  readonly id: string;
  readonly email: string;
  readonly keypair: Keypair;
  readonly client: Client;
}

/** What making a user takes; a whole service has it, and so has a client of one API with a way to make clients. */
export type UserMaker = Pick<Service, 'administrator' | 'client'>;

/** Makes a user with a unique address, and a keypair. `word` begins the address, so that failures name people. */
export async function createUser(service: UserMaker, word = 'user'): Promise<TestUser> {
  const email = `${word}-${randomBytes(5).toString('hex')}@example.org`;
  const made = await service.administrator.call('POST', '/admin/users', { json: { email } });
  if (made.status !== 201) throw new Error(`A user cannot be made: ${made.text}`);
  const keypair = await createKeypair(service, email);
  return { id: textAt(made.json, 'id'), email, keypair, client: service.client(keypair) };
}

/** Makes a keypair for a user given by id or address. */
export async function createKeypair(service: Pick<Service, 'administrator'>, user: string): Promise<Keypair> {
  const issued = await service.administrator.call('POST', '/admin/keypairs', { json: { user } });
  if (issued.status !== 201) throw new Error(`A keypair cannot be made: ${issued.text}`);
  return { accessKey: textAt(issued.json, 'access_key'), secretKey: textAt(issued.json, 'secret_key') };
}

/** A folder made for a test; `id` is 32 hex digits. */
export interface TestFolder {
  readonly id: string;
  readonly name: string;
  /** The encoded path of a route of this folder: `folder.path('files', 'a b')` is `/folders/x/files/a%20b`. */
  path(...segments: readonly string[]): string;
}

/** Makes a folder, with a unique name unless one is given. */
export async function createFolder(
  client: Client,
  name: string = `folder-${randomBytes(5).toString('hex')}`,
): Promise<TestFolder> {
  const answer = await client.call('POST', '/folders/create', { json: { name } });
  if (answer.status !== 201) throw new Error(`The folder cannot be made: ${answer.text}`);
  return {
    id: textAt(answer.json, 'id'),
    name,
    path: (...segments) => pathOf('folders', name, ...segments),
  };
}

/** Makes `user` a member of a folder of `owner`, through an invitation; the name is the owner's. */
export async function share(
  folder: TestFolder,
  owner: Client,
  grant: { readonly user: TestUser; readonly permission: 'ro' | 'rw' | 'rd' },
): Promise<void> {
  const { user, permission } = grant;
  const json = { perm: permission, user_ids: [user.email] };
  const invited = await owner.call('POST', folder.path('invite'), { json });
  const pending = await user.client.call('GET', '/folders/invitations/list');
  const items: unknown = Reflect.get(Object(pending.json), 'items');
  const offer: unknown = Array.isArray(items)
    ? items.find((item: unknown) => textAt(item, 'vfolder_id') === folder.id)
    : undefined;
  const accepted = await user.client.call('POST', '/folders/invitations/accept', {
    json: { inv_id: textAt(offer, 'id') },
  });
  if (accepted.status !== 200) throw new Error(`Sharing fails: ${invited.text} ${accepted.text}`);
}

/** Uploads files given as text or bytes by path and expects 201. */
export async function upload(
  client: Client,
  folder: TestFolder,
  files: Readonly<Record<string, Uint8Array | string>>,
): Promise<void> {
  const parts = Object.entries(files).map(([fileName, bytes]) => ({ fileName, bytes }));
  const answer = await client.call('POST', folder.path('upload'), { parts });
  if (answer.status !== 201) throw new Error(`The upload answers ${answer.status}: ${answer.text}`);
}
