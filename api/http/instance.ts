import type { RequestTarget } from './target.ts';

/**
 * What a problem names as the request that it refuses: the path as sent, without the query, and without the token of a link, for
 * problems are kept and passed on.
 */
export function instanceOf(target: RequestTarget | undefined): string {
  if (target === undefined) return '';
  if (!target.routingPath.startsWith('/l/')) return target.path;
  const [, , , ...below] = target.path.split('/');
  return ['', 'l', ':token', ...below].join('/');
}
