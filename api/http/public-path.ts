/** The path prefix under which callers reach the service, for a proxy takes it away; empty without one. */
export function pathPrefixOf(publicUrl: string | undefined): string {
  return publicUrl === undefined ? '' : new URL(publicUrl).pathname.replace(/\/+$/, '');
}

/** A path of ours as callers have to write it; what is no path stays as it is. */
export function publicPath(prefix: string, path: string): string {
  return path.startsWith('/') ? `${prefix}${path}` : path;
}
