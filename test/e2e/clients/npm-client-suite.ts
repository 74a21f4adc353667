import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { at, listAt, textAt } from '../support/json.ts';
import { type Service, startService } from '../support/service.ts';
import { createUser, type TestUser } from '../support/users.ts';
import { bytesOf, connectNpmClient, type NpmClient, refusalOf } from './npm-client.ts';

interface Person {
  readonly user: TestUser;
  readonly client: NpmClient;
}

/** The people of a suite, usable inside hooks and tests. */
interface Cast {
  readonly service: Service;
  readonly ada: Person;
  readonly bob: Person;
  /** A fresh folder of ada's; its name is one that this client can sign. */
  makeFolder(): Promise<string>;
}

const blob = (content: Uint8Array | string): Blob => new Blob([content]);

function openCast(apiVersion: string): Cast {
  let service: Service | undefined;
  let people: Pick<Cast, 'ada' | 'bob'> | undefined;
  const person = async (running: Service, word: string): Promise<Person> => {
    const user = await createUser(running, word);
    return { user, client: await connectNpmClient(running.url, user.keypair) };
  };
  beforeAll(async () => {
    service = await startService({
      backend: 'postgres',
      workers: 1,
      env: { VFOLDER_API_VERSION: apiVersion },
    });
    people = { ada: await person(service, 'ada'), bob: await person(service, 'bob') };
  });
  afterAll(() => service?.stop());
  const present = () => {
    if (service === undefined || people === undefined) throw new Error('The service runs only inside tests.');
    return { service, ...people };
  };
  return {
    get service() {
      return present().service;
    },
    get ada() {
      return present().ada;
    },
    get bob() {
      return present().bob;
    },
    makeFolder: async () => {
      const name = `npm-${randomBytes(5).toString('hex')}`;
      await present().ada.client.vfolder.create(name, 'local');
      return name;
    },
  };
}

const hexId = expect.stringMatching(/^[0-9a-f]{32}$/);

function describeFolderCalls(cast: Cast): void {
  it('creates, lists, reads, renames and deletes a folder', async () => {
    const { vfolder } = cast.ada.client;
    const name = `npm-${randomBytes(5).toString('hex')}`;
    expect(await vfolder.create(name, 'local', '', 'data', 'ro', true)).toMatchObject({
      id: hexId,
      name,
      host: 'local',
      is_owner: true,
    });
    const known = {
      name,
      id: hexId,
      host: 'local',
      is_owner: true,
      permission: 'wd',
      type: 'user',
      group: null,
    };
    expect(await vfolder.list()).toContainEqual(expect.objectContaining(known));
    expect(await vfolder.info(name)).toMatchObject({ ...known, numFiles: 0, status: 'ready' });
    vfolder.name = name;
    await vfolder.rename(`${name}-2`);
    expect(await vfolder.info(`${name}-2`)).toMatchObject({ is_owner: true });
    await vfolder.delete(`${name}-2`);
    expect(await refusalOf(vfolder.info(`${name}-2`))).toMatchObject({ statusCode: 404 });
  });

  it('lists hosts and types', async () => {
    const { vfolder } = cast.ada.client;
    expect(await vfolder.list_hosts()).toMatchObject({ default: 'local', allowed: ['local'] });
    expect(await vfolder.list_allowed_types()).toEqual(['user']);
  });

  it('changes the options of a folder', async () => {
    const { vfolder } = cast.ada.client;
    const name = await cast.makeFolder();
    await vfolder.update_folder({ cloneable: true, permission: 'ro' }, name);
    expect(await vfolder.info(name)).toMatchObject({ cloneable: true, permission: 'wd' });
  });

  it('shows why a call is refused', async () => {
    const { vfolder } = cast.ada.client;
    const name = await cast.makeFolder();
    const refused = await refusalOf(vfolder.create(name, 'local'));
    expect(refused).toMatchObject({ statusCode: 400, description: expect.stringContaining(name) });
  });

  it('asks GraphQL', async () => {
    const name = await cast.makeFolder();
    const query = `query($limit: Int!, $filter: String) {
      vfolder_list(limit: $limit, offset: 0, filter: $filter) { items { name host } total_count }
    }`;
    const data = await cast.ada.client.query(query, { limit: 10, filter: `name == "${name}"` });
    expect(data).toEqual({ vfolder_list: { items: [{ name, host: 'local' }], total_count: 1 } });
  });
}

function describeFileCalls(cast: Cast): void {
  it('carries files of any content there and back byte for byte', async () => {
    const { vfolder } = cast.ada.client;
    const name = await cast.makeFolder();
    const files: Readonly<Record<string, Buffer>> = {
      'big.bin': randomBytes(3_000_001),
      'deep/er/50% "quoted" +ü데.txt': Buffer.from('text\n'.repeat(1_000)),
      empty: Buffer.alloc(0),
    };
    for (const [path, content] of Object.entries(files)) await vfolder.upload(path, blob(content), name);
    for (const [path, content] of Object.entries(files)) {
      expect(content.equals(await bytesOf(await vfolder.download(path, name))), path).toBe(true);
    }
  });

  it('uploads several files of one form at once', async () => {
    const { vfolder } = cast.ada.client;
    const name = await cast.makeFolder();
    const form = new FormData();
    for (const path of ['a', 'b/c']) form.append('src', blob(path), path);
    await vfolder.uploadFormData(form, name);
    expect((await bytesOf(await vfolder.download('b/c', name))).toString()).toBe('b/c');
  });

  it('makes directories, lists, renames and deletes entries', async () => {
    const { vfolder } = cast.ada.client;
    const name = await cast.makeFolder();
    await vfolder.mkdir('one/two', name, true, true);
    await vfolder.upload('one/file', blob('x'), name);
    const listing = await vfolder.list_files('one', name);
    expect(JSON.parse(textAt(listing, 'files'))).toMatchObject([
      { filename: 'file', size: 1, mode: expect.stringMatching(/^-r/), mtime: expect.any(Number) },
      { filename: 'two', mode: expect.stringMatching(/^dr/) },
    ]);
    expect(at(listing, 'items', 1)).toMatchObject({ name: 'two', type: 'DIRECTORY' });
    await vfolder.rename_file('one/file', 'renamed', name);
    expect((await bytesOf(await vfolder.download('one/renamed', name))).toString()).toBe('x');
    await vfolder.delete_files(['one/renamed'], false, name);
    expect(await refusalOf(vfolder.delete_files(['one'], false, name))).toMatchObject({ statusCode: 400 });
    await vfolder.delete_files(['one'], true, name);
    expect(await vfolder.list_files('.', name)).toMatchObject({ files: '[]' });
  });

  it('downloads a directory as a zip', async () => {
    const { vfolder } = cast.ada.client;
    const name = await cast.makeFolder();
    await vfolder.upload('d/f', blob('content'), name);
    const zip = await bytesOf(await vfolder.download('d', name, true));
    expect(zip.subarray(0, 2).toString()).toBe('PK');
    expect(zip.includes('d/f')).toBe(true);
  });
}

/** Sends bytes to the address of an upload session in two pieces, as tus clients do. */
async function sendByTus(url: string, content: Buffer): Promise<void> {
  const half = Math.ceil(content.length / 2);
  for (const [start, end] of [[0, half] as const, [half, content.length] as const]) {
    const answer = await fetch(url, {
      method: 'PATCH',
      headers: {
        'Tus-Resumable': '1.0.0',
        'Upload-Offset': String(start),
        'Content-Type': 'application/offset+octet-stream',
      },
      body: content.subarray(start, end),
    });
    expect(answer.status, await answer.text()).toBe(204);
    expect(answer.headers.get('upload-offset')).toBe(String(end));
  }
}

function describeTransferCalls(cast: Cast): void {
  it('uploads by a session and downloads by a token', async () => {
    const { vfolder } = cast.ada.client;
    const name = await cast.makeFolder();
    const content = randomBytes(2_000_003);
    const path = 'sub/with space 50% "데이터".bin';
    await sendByTus(await vfolder.create_upload_session(path, blob(content), name), content);
    await vfolder.create_upload_session('empty', blob(''), name);
    const listing = JSON.parse(textAt(await vfolder.list_files('.', name), 'files'));
    expect(listing).toMatchObject([{ filename: 'empty', size: 0 }, { filename: 'sub' }]);
    const token = textAt(await vfolder.request_download_token(path, name), 'token');
    const byClient = await bytesOf(await vfolder.download_with_token(token));
    const byAnyone = await bytesOf(await fetch(vfolder.get_download_url_with_token(token)));
    expect([content.equals(byClient), content.equals(byAnyone)]).toEqual([true, true]);
  });

  it('clones a folder', async () => {
    const { vfolder } = cast.ada.client;
    const name = await cast.makeFolder();
    await vfolder.upload('f', blob('content'), name);
    const input = { cloneable: false, permission: 'rw', target_host: 'local', usage_mode: 'general' };
    const clone = await vfolder.clone({ ...input, target_name: `${name}-2` }, name);
    expect(clone).toMatchObject({ id: hexId, name: `${name}-2` });
    await eventually(() => expect(vfolder.info(`${name}-2`)).resolves.toMatchObject({ numFiles: 1 }));
    expect((await bytesOf(await vfolder.download('f', `${name}-2`))).toString()).toBe('content');
  });
}

function describeSharingCalls(cast: Cast): void {
  it('invites, accepts, turns down, changes, ends and leaves memberships', async () => {
    const ada = cast.ada.client.vfolder;
    const bob = cast.bob.client.vfolder;
    const { email, id } = cast.bob.user;
    const [kept, refused] = [await cast.makeFolder(), await cast.makeFolder()];
    for (const name of [kept, refused]) {
      expect(await ada.invite('rw', [email], name)).toEqual({ invited_ids: [email] });
    }
    const pending = listAt(await bob.invitations(), 'invitations');
    const idOf = (name: string) =>
      textAt(
        pending.find((one) => at(one, 'vfolder_name') === name),
        'id',
      );
    expect(pending).toContainEqual(
      expect.objectContaining({
        perm: 'rw',
        inviter: cast.ada.user.email,
        state: 'pending',
        vfolder_id: hexId,
      }),
    );
    expect(await bob.accept_invitation(idOf(kept))).toMatchObject({ msg: expect.any(String) });
    expect(await bob.delete_invitation(idOf(refused))).toMatchObject({ msg: expect.any(String) });
    expect(await bob.info(kept)).toMatchObject({ is_owner: false, permission: 'rw' });

    const folderId = textAt(await ada.info(kept), 'id');
    const shared = { vfolder_id: folderId, vfolder_name: kept, shared_to: { uuid: id, email }, perm: 'rw' };
    expect(await ada.list_invitees()).toMatchObject({ shared: [shared] });
    await ada.modify_invitee_permission({ perm: 'wd', user: id, vfolder: folderId });
    expect(await ada.list_invitees(folderId)).toMatchObject({ shared: [{ ...shared, perm: 'wd' }] });
    expect(await ada.share('ro', [email], kept)).toMatchObject({ shared_emails: [email] });
    expect(await bob.info(kept)).toMatchObject({ permission: 'ro' });
    expect(await ada.unshare([email], kept)).toEqual({ unshared_emails: [email] });
    expect(await refusalOf(bob.info(kept))).toMatchObject({ statusCode: 404 });

    expect(await ada.share('ro', [email], refused)).toEqual({ shared_emails: [], invited_ids: [email] });
    const again = listAt(await bob.invitations(), 'invitations');
    await bob.accept_invitation(textAt(again[0], 'id'));
    await bob.leave_invited(refused);
    expect(await refusalOf(bob.info(refused))).toMatchObject({ statusCode: 404 });
  });
}

/** Every folder call of the published JavaScript client against a service that advertises `apiVersion`. */
export function describeNpmClient(apiVersion: string): void {
  const cast = openCast(apiVersion);
  it('is told the version in the handshake', () => {
    expect(cast.ada.client.apiVersion).toBe(apiVersion);
  });
  describeFolderCalls(cast);
  describeFileCalls(cast);
  describeTransferCalls(cast);
  describeSharingCalls(cast);
}
