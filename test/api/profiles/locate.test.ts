import { describe, expect, it } from 'vitest';
import { locate } from '../../../api/profiles/locate.ts';
import { documented, readProfile } from '../../../api/profiles/profile.ts';

const of = (version: string) => readProfile({ 'x-backendai-version': version });

describe('locate', () => {
  it.each([
    ['v2.20170315', 'GET /v2/folders/', 'GET /folders'],
    ['v2.20170315', 'POST /v2/folders/a/upload', 'POST /folders/a/upload'],
    ['v2.20170315', 'GET /folders/v2', 'GET /folders/v2'],
    ['v4.20190615', 'GET /folders/', 'GET /folders'],
    ['v4.20190615', 'GET /v4/folders', 'GET /v4/folders'],
    ['v6.20220315', 'POST /folders/a/delete-files', 'DELETE /folders/a/delete_files'],
    ['v6.20220315', 'DELETE /folders/a/delete-files', 'DELETE /folders/a/delete_files'],
    ['v6.20220315', 'POST /folders/a/delete_files', 'DELETE /folders/a/delete_files'],
    ['v6.20220315', 'POST /folders/a/rename_file', 'POST /folders/a/rename-file'],
    ['v6.20220315', 'POST /folders/a/unshare', 'DELETE /folders/a/unshare'],
    ['v6.20220315', 'POST /folders/invitations/delete', 'DELETE /folders/invitations/delete'],
    ['v6.20220315', 'GET /folders/invitations/list_sent', 'GET /folders/invitations/list-sent'],
    ['v6.20220315', 'GET /folders/_/all_hosts', 'GET /folders/_/all-hosts'],
    ['v6.20220315', 'GET /folders/_/allowed_types', 'GET /folders/_/allowed-types'],
    ['v6.20220315', 'GET /folders/a/files/delete-files', 'GET /folders/a/files/delete-files'],
  ])('takes a client of %s that asks %s to %s', (version, sent, meant) => {
    const [method = '', path = ''] = sent.split(' ');
    const location = locate(of(version), { method, path });
    expect(`${location.method} ${location.path}`).toBe(meant);
  });

  it('leaves what callers of the document ask as it is', () => {
    for (const path of ['/v2/folders/', '/folders/', '/folders/a/delete-files']) {
      expect(locate(documented, { method: 'POST', path })).toEqual({ method: 'POST', path });
    }
  });
});
