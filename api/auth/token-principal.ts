import { findToken, noteTokenUse } from '../../db/queries/api-tokens.ts';
import { apiTokenForm } from '../../domain/api-token.ts';
import { domainError } from '../../domain/errors.ts';
import { tokenDigest } from '../../domain/secret-token.ts';
import { isChange, type Principal, type Route } from '../route.ts';
import type { Services } from '../services.ts';

/**
 * Who a token acts for, as of now: never an administrator. The token is found by its digest, so that comparing takes no
 * time that depends on it. @throws auth_failed when it is unknown, expired or revoked, or its user is switched off
 */
export async function principalOfToken(services: Pick<Services, 'db'>, token: string): Promise<Principal> {
  const found = apiTokenForm.isFormOf(token) ? await findToken(services.db, tokenDigest(token)) : null;
  if (found === null) throw domainError('auth_failed', 'The token is not accepted.');
  // Nobody waits for a note that is only to the minute.
  if (found.isUseUnnoted) void noteTokenUse(services.db, found.id).catch(() => undefined);
  const { id, userId, email, scopes, requestsMax } = found;
  return {
    userId,
    email,
    role: 'user',
    accessKey: `token:${id}`,
    requestsMax,
    token: { mayChange: scopes.includes('write') },
  };
}

/** Keeps tokens to their scopes. @throws scope_missing */
export function requireScope(route: Route, { token }: Principal): void {
  if (token === undefined) return;
  if (route.isKeypairOnly === true) {
    throw domainError('scope_missing', 'This needs a keypair; a token cannot be used for it.');
  }
  if (!token.mayChange && isChange(route)) {
    throw domainError('scope_missing', 'This token may only read; the request needs the scope "write".');
  }
}
