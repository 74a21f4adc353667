import type { Route } from '../../api/route.ts';

/**
 * Parameters that satisfy every route at once, for what a route does not know is dropped. A new route that they do not
 * satisfy fails in the tests of rights until they do: nobody may be refused for the input before the right is looked at, or
 * else unseen.
 */
const everything = {
  name: 'made',
  new_name: 'renamed',
  target_name: 'cloned',
  src: 'a',
  dst: 'b',
  target_path: 'a',
  path: 'c',
  file: 'a',
  files: ['a'],
  size: 1,
  perm: 'ro',
  permission: 'ro',
  user: 'nobody@example.org',
  user_ids: ['nobody@example.org'],
  emails: ['nobody@example.org'],
};

/** How a route was answered; `code` is that of the problem, empty without one. */
export interface RouteAnswer {
  readonly status: number;
  readonly code: string;
}

/** Asks the server at `base` for a route with input that every route accepts. `path` has its parameters filled in. */
export async function askRoute(
  base: string,
  route: Pick<Route, 'method' | 'body'>,
  { path, authorization }: { readonly path: string; readonly authorization: string | undefined },
): Promise<RouteAnswer> {
  const isRead = route.method === 'GET' || route.method === 'HEAD';
  const isStream = route.body === 'stream';
  const query = new URLSearchParams({ ...everything, files: 'a', size: '1', user_ids: 'nobody@example.org' });
  const response = await fetch(`${base}${path}${isRead ? `?${query}` : ''}`, {
    method: route.method,
    redirect: 'manual',
    headers: {
      ...(authorization === undefined ? {} : { Authorization: authorization }),
      'Content-Type': isStream ? 'multipart/form-data; boundary=b' : 'application/json',
      Prefer: 'respond-async',
    },
    ...(isRead ? {} : { body: isStream ? '--b--\r\n' : JSON.stringify(everything) }),
  });
  const text = await response.text();
  const isProblem = response.headers.get('content-type') === 'application/problem+json' && text !== '';
  return { status: response.status, code: isProblem ? JSON.parse(text).code : '' };
}
