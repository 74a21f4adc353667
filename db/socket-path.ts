/**
 * The Unix socket a database url points to (`postgres://user@%2Fsocket%2Fdir/name`), `undefined` for a host. The
 * driver `pg` reads such urls itself; `postgres` wants the path as an option beside the url.
 */
export function socketPathOf(url: string): string | undefined {
  const { hostname, port } = new URL(url);
  const host = decodeURIComponent(hostname);
  return host.startsWith('/') ? `${host}/.s.PGSQL.${port === '' ? '5432' : port}` : undefined;
}
