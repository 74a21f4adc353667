import type { z } from 'zod';
import type { TokenRecord } from '../../db/queries/api-tokens.ts';
import { noInput } from '../http/schema.ts';
import { defineRoute, type Route } from '../route.ts';
import { issueToken, readTokens, revokeToken } from './operations.ts';
import { newTokenBody, newTokenInput, type tokenBody, tokenListBody } from './schemas.ts';

function toBody({
  id,
  name,
  scopes,
  createdAt,
  expiresAt,
  lastUsedAt,
}: TokenRecord): z.infer<typeof tokenBody> {
  return {
    id,
    name,
    scopes: [...scopes],
    created_at: createdAt.toISOString(),
    expires_at: expiresAt.toISOString(),
    last_used_at: lastUsedAt?.toISOString() ?? null,
  };
}

const common = { access: 'user', right: null, body: 'json', isKeypairOnly: true } as const;

/** Tokens of the caller: making, listing and revoking them. A token cannot be used for any of it. */
export const tokenRoutes: readonly Route[] = [
  defineRoute({
    ...common,
    method: 'POST',
    path: '/tokens',
    input: newTokenInput,
    answers: { 201: newTokenBody },
    doc: {
      tag: 'Account',
      id: 'createToken',
      summary: 'Make an API token; it is shown once',
      refusals: ['token_limit_reached'],
    },
    handle: async ({ services, principal, input }) => {
      const { userId } = principal;
      const { name, scopes, expires_in: expiresInSeconds } = input;
      const issued = await issueToken(services, { userId, name, scopes, expiresInSeconds });
      return { status: 201, body: { ...toBody(issued), token: issued.token } };
    },
  }),
  defineRoute({
    ...common,
    method: 'GET',
    path: '/tokens',
    input: noInput,
    answers: { 200: tokenListBody },
    doc: { tag: 'Account', id: 'listTokens', summary: 'List your API tokens' },
    handle: async ({ services, principal }) => {
      const tokens = await readTokens(services, principal.userId);
      return { status: 200, body: { items: tokens.map(toBody) } };
    },
  }),
  defineRoute({
    ...common,
    method: 'DELETE',
    path: '/tokens/:id',
    input: noInput,
    answers: { 204: null },
    doc: { tag: 'Account', id: 'revokeToken', summary: 'Revoke an API token', refusals: ['not_found'] },
    handle: async ({ services, principal, params }) => {
      await revokeToken(services, { userId: principal.userId, id: params.id ?? '' });
      return { status: 204 };
    },
  }),
];
