import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { findSession } from '../../db/queries/sessions.ts';
import { domainError } from '../../domain/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Principal } from '../route.ts';
import type { Services } from '../services.ts';

/** The cookie of a browser that signed in. */
export const sessionCookieName = 'vfolder_session';

const tokenForm = /^[A-Za-z0-9_-]{43}$/;

/** What of a session is stored and looked up. */
export function hashSessionToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** The token in the session cookie, `undefined` without a sound one. */
export function readSessionToken(headers: IncomingMessage['headers']): string | undefined {
  const cookies = (headers.cookie ?? '').split(';').map((cookie) => cookie.trim());
  return cookies
    .filter((cookie) => cookie.startsWith(`${sessionCookieName}=`))
    .map((cookie) => cookie.slice(sessionCookieName.length + 1))
    .find((token) => tokenForm.test(token));
}

function isOwnOrigin({ host, origin }: IncomingMessage['headers'], publicUrl: string | undefined): boolean {
  const ownHosts = publicUrl === undefined ? [host] : [host, new URL(publicUrl).host];
  return origin !== undefined && URL.canParse(origin) && ownHosts.includes(new URL(origin).host);
}

/**
 * Refuses a request that a page of another site made a browser send. Browsers add `Sec-Fetch-Site`, and `Origin` to all but
 * simple reads; neither can be set by a script (Fetch, "forbidden request-header"). A client that sends a cookie and none
 * of the two is no browser of today and may not change anything. `publicUrl` is where a proxy shows us, if it is set.
 * @throws origin_refused
 */
export function requireSameOrigin(headers: IncomingMessage['headers'], publicUrl: string | undefined): void {
  const site = headers['sec-fetch-site'];
  // A page that tells nobody where it came from sends "null".
  const origin = headers.origin === 'null' ? undefined : headers.origin;
  const isOwnSite = site === undefined ? origin !== undefined : site === 'same-origin';
  if (!isOwnSite || (origin !== undefined && !isOwnOrigin(headers, publicUrl))) {
    throw domainError('origin_refused', 'Only pages of this service may ask for this with a session.');
  }
}

/**
 * Refuses a request that a page of another site made a browser send, whatever it proves itself by: a browser that was once
 * told a keypair by `Basic` sends it again by itself. What carries none of the marks of a browser comes from no page.
 * @throws origin_refused
 */
export function requireNoOtherSite(headers: IncomingMessage['headers'], publicUrl: string | undefined): void {
  const site = headers['sec-fetch-site'];
  // Scripts cannot set it: what it says of its own page needs no look at names, which proxies change.
  if (site === 'same-origin' || site === 'none') return;
  const { origin } = headers;
  if (site === undefined && (origin === undefined || isOwnOrigin(headers, publicUrl))) return;
  throw domainError('origin_refused', 'Pages of other sites may not change anything here.');
}

/**
 * Who a browser that signed in acts for; `null` when the request has no session, or one that ended.
 * @throws origin_refused when the request changes something and comes from another site
 */
export async function findSessionPrincipal(
  services: Pick<Services, 'db' | 'publicUrl'>,
  exchange: Pick<Exchange, 'incoming' | 'method'>,
): Promise<Principal | null> {
  const { headers } = exchange.incoming;
  const token = readSessionToken(headers);
  if (token === undefined) return null;
  if (exchange.method !== 'GET' && exchange.method !== 'HEAD') requireSameOrigin(headers, services.publicUrl);
  const session = hashSessionToken(token);
  const found = await findSession(services.db, session);
  return found === null ? null : { ...found, session };
}
