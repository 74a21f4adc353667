import type { Profile } from './profile.ts';

/** Where a request goes: what routes match. Signatures cover what was sent, not this. */
export interface Location {
  readonly method: string;
  readonly path: string;
}

interface Move {
  readonly from: RegExp;
  /** Of one method only; else of any. */
  readonly method?: string;
  readonly to: { readonly method?: string; readonly path: string };
}

/** Spellings of published clients and the routes they mean. `$1` is the folder or the invitation. */
const moves: readonly Move[] = [
  { from: /^\/folders\/$/, to: { path: '/folders' } },
  {
    from: /^\/folders\/([^/]+)\/delete[-_]files$/,
    method: 'POST',
    to: { method: 'DELETE', path: '/folders/$1/delete_files' },
  },
  { from: /^\/folders\/([^/]+)\/delete-files$/, to: { path: '/folders/$1/delete_files' } },
  { from: /^\/folders\/([^/]+)\/rename_file$/, to: { path: '/folders/$1/rename-file' } },
  { from: /^\/folders\/([^/]+)\/move-file$/, to: { path: '/folders/$1/move' } },
  {
    from: /^\/folders\/([^/]+)\/unshare$/,
    method: 'POST',
    to: { method: 'DELETE', path: '/folders/$1/unshare' },
  },
  {
    from: /^\/folders\/invitations\/delete$/,
    method: 'POST',
    to: { method: 'DELETE', path: '/folders/invitations/delete' },
  },
  {
    from: /^\/folders\/invitations\/update\/([^/]+)$/,
    method: 'POST',
    to: { method: 'PATCH', path: '/folders/invitations/sent/$1' },
  },
  { from: /^\/folders\/invitations\/list_sent$/, to: { path: '/folders/invitations/list-sent' } },
  { from: /^\/folders\/_\/all_hosts$/, to: { path: '/folders/_/all-hosts' } },
  { from: /^\/folders\/_\/allowed_types$/, to: { path: '/folders/_/allowed-types' } },
];

const prefix = /^\/v\d{1,3}(?=\/)/;

/** The route a request means; that of callers without a profile is what they sent. */
export function locate(profile: Profile, sent: Location): Location {
  if (profile.name === 'documented') return sent;
  const path = profile.hasPathPrefix ? sent.path.replace(prefix, '') : sent.path;
  const move = moves.find(
    ({ from, method }) => from.test(path) && (method === undefined || method === sent.method),
  );
  if (move === undefined) return { method: sent.method, path };
  return { method: move.to.method ?? sent.method, path: path.replace(move.from, move.to.path) };
}
