/** Where the dashboard is. */
export const boardPath = '/admin/queues';

/**
 * What its pages may load: only what comes from here. The library styles elements in place, and its page asks for fonts of
 * a foreign host, which it does not get.
 */
export const boardPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";
