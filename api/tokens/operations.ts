import { uuidv7 } from 'uuidv7';
import {
  deleteToken,
  insertToken,
  listTokens,
  lockTokenCount,
  type TokenRecord,
} from '../../db/queries/api-tokens.ts';
import { apiTokenForm, type TokenScope, tokenScopes } from '../../domain/api-token.ts';
import { domainError } from '../../domain/errors.ts';
import { parseId } from '../../domain/ids.ts';
import { tokenDigest } from '../../domain/secret-token.ts';
import type { Services } from '../services.ts';

/** Tokens one user may have at the same time. */
const tokensMax = 100;

/** A token at the only moment it is shown. */
export interface IssuedToken extends TokenRecord {
  readonly token: string;
}

/** Makes a token that acts for a user, never as an administrator. @throws token_limit_reached */
export async function issueToken(
  services: Pick<Services, 'db'>,
  request: {
    readonly userId: string;
    readonly name: string;
    readonly scopes: readonly TokenScope[];
    readonly expiresInSeconds: number;
  },
): Promise<IssuedToken> {
  const token = apiTokenForm.make();
  const scopes = request.scopes.includes('write') ? tokenScopes : request.scopes;
  const row = { ...request, id: uuidv7(), digest: tokenDigest(token), scopes: [...new Set(scopes)] };
  const record = await services.db.transaction(async (tx) => {
    if ((await lockTokenCount(tx, request.userId)) >= tokensMax) {
      const detail = `You have ${tokensMax} tokens; revoke one first.`;
      throw domainError('token_limit_reached', detail, { extra: { limit: tokensMax } });
    }
    return await insertToken(tx, row);
  });
  if (record === null) throw domainError('internal', 'An inserted token is answered.');
  return { ...record, token };
}

/** The tokens of a user that have not expired. */
export async function readTokens(services: Pick<Services, 'db'>, userId: string): Promise<TokenRecord[]> {
  return await listTokens(services.db, userId);
}

/** Revokes a token; it is refused from the next request on. @throws not_found when it is none of the user's own */
export async function revokeToken(
  services: Pick<Services, 'db'>,
  request: { readonly userId: string; readonly id: string },
): Promise<void> {
  const id = parseId(request.id);
  const isGone = id !== undefined && (await deleteToken(services.db, { id, userId: request.userId }));
  if (!isGone) throw domainError('not_found', 'There is no such token.');
}
