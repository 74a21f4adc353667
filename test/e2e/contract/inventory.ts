import { expect, it } from 'vitest';

/** Every route of the service, by hand from the documentation; `:x` is one segment, `*` the rest. */
const documentedRoutes = [
  'GET /',
  'GET /livez',
  'GET /readyz',
  'POST /admin/users',
  'GET /admin/users',
  'GET /admin/users/:id',
  'PATCH /admin/users/:id',
  'POST /admin/keypairs',
  'GET /admin/keypairs',
  'PATCH /admin/keypairs/:key',
  'DELETE /admin/keypairs/:key',
  'POST /admin/keypairs/:key/rotate',
  'GET /admin/audit',
  'GET /admin/policies',
  'POST /admin/policies',
  'PATCH /admin/policies/:policy',
  'DELETE /admin/policies/:policy',
  'GET /admin/folders',
  'GET /admin/folders/:id',
  'PATCH /admin/folders/:id',
  'POST /admin/folders/:id/recalculate',
  'GET /me',
  'GET /me/keypairs',
  'POST /me/keypairs/:key/rotate',
  'GET /folders',
  'POST /folders',
  'POST /folders/create',
  'GET /folders/:name',
  'DELETE /folders/:name',
  'GET /folders/:name/files',
  'GET /folders/:name/stat',
  'GET /folders/:name/files/*',
  'HEAD /folders/:name/files/*',
  'PUT /folders/:name/files/*',
  'DELETE /folders/:name/files/*',
  'POST /folders/:name/upload',
  'OPTIONS /uploads',
  'OPTIONS /uploads/:id',
  'POST /uploads',
  'HEAD /uploads/:id',
  'PATCH /uploads/:id',
  'DELETE /uploads/:id',
  'POST /folders/:name/request-upload',
  'POST /folders/:name/create_upload_session',
  'OPTIONS /upload',
  'HEAD /upload',
  'PATCH /upload',
  'OPTIONS /folders/_/tus/upload/:token',
  'HEAD /folders/_/tus/upload/:token',
  'PATCH /folders/_/tus/upload/:token',
  'POST /folders/:name/request-download',
  'POST /folders/:name/request_download',
  'POST /folders/:name/request-download-archive',
  'GET /download',
  'HEAD /download',
  'GET /folders/_/download_with_token',
  'HEAD /folders/_/download_with_token',
  'GET /download-archive',
  'HEAD /download-archive',
  'POST /links',
  'GET /links',
  'GET /links/:id',
  'DELETE /links/:id',
  'GET /admin/links',
  'DELETE /admin/links/:id',
  'GET /l/:token',
  'HEAD /l/:token',
  'POST /l/:token',
  'GET /l/:token/*',
  'HEAD /l/:token/*',
  'PUT /l/:token/*',
  'POST /folders/:name/mkdir',
  'GET /folders/:name/download',
  'HEAD /folders/:name/download',
  'DELETE /folders/:name/delete_files',
  'POST /folders/:name/move',
  'GET /trash',
  'POST /trash/:id/restore',
  'DELETE /trash/:id',
  'POST /folders/:name/rename-file',
  'POST /folders/:name/copy',
  'POST /folders/:name/clone',
  'POST /folders/:name/rename',
  'POST /folders/:name/update-options',
  'POST /folders/:name/transfer',
  'GET /folders/invitations/list-sent',
  'PATCH /folders/invitations/sent/:id',
  'DELETE /folders/invitations/sent/:id',
  'POST /folders/:name/archives',
  'GET /archives/:id',
  'HEAD /archives/:id',
  'DELETE /archives/:id',
  'POST /mounts',
  'GET /mounts',
  'GET /mounts/:session',
  'POST /mounts/:session/heartbeat',
  'DELETE /mounts/:session',
  'GET /admin/mounts',
  'DELETE /admin/mounts/:id',
  'GET /folders/:name/usage',
  'POST /folders/:name/recalculate',
  'POST /folders/:name/invite',
  'GET /folders/invitations/list',
  'POST /folders/invitations/accept',
  'DELETE /folders/invitations/delete',
  'GET /folders/:name/members',
  'PATCH /folders/:name/members/:member',
  'DELETE /folders/:name/members/:member',
  'POST /folders/:name/leave',
  'POST /tokens',
  'GET /tokens',
  'DELETE /tokens/:id',
  'GET /jobs',
  'GET /jobs/:id',
  'GET /jobs/:id/events',
  'GET /events',
  'DELETE /jobs/:id',
] as const;

const literalSecond = new Set(['_', 'create', 'invitations']);

/** Keeps a request for the inventory, without its query. */
export function noteRequest(requests: Set<string>, method: string, path: string): void {
  requests.add(`${method} ${path.split('?')[0]}`);
}

function isOf(route: string, request: string): boolean {
  const [routeMethod, pattern = ''] = route.split(' ');
  const mark = request.indexOf(' ');
  const segments = request.slice(mark + 1).split('/');
  const wanted = pattern.split('/');
  const isOpen = wanted.at(-1) === '*';
  if (routeMethod !== request.slice(0, mark)) return false;
  if (isOpen ? segments.length < wanted.length : segments.length !== wanted.length) return false;
  return wanted.every((part, index) => {
    const segment = segments[index] ?? '';
    if (part === '*') return segment !== '';
    if (!part.startsWith(':')) return part === segment;
    return segment !== '' && !(part === ':name' && literalSecond.has(segment));
  });
}

function missingIn(requests: ReadonlySet<string>): string[] {
  return documentedRoutes.filter((route) => ![...requests].some((request) => isOf(route, request)));
}

/** Runs last: every documented route was asked at least once, with its own method and path. */
export function describeInventory(requests: ReadonlySet<string>): void {
  it('holds every documented route', () => {
    expect(missingIn(requests)).toEqual([]);
  });

  it('would notice a route that nobody asks', () => {
    const others = [...requests].filter((request) => !request.endsWith('/usage'));
    expect(missingIn(new Set(others))).toEqual(['GET /folders/:name/usage']);
  });
}
