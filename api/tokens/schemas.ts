import { z } from 'zod';
import { tokenScopes } from '../../domain/api-token.ts';
import { queryInteger, stringList } from '../http/schema.ts';
import { instant, uuid } from '../http/wire.ts';

const nameCharactersMax = 100;
const day = 24 * 60 * 60;
const expiresInMin = 60;
const expiresInDefault = 90 * day;
/** A year of 365 days, to the second. */
const expiresInMax = 365 * day;

/** `POST /tokens`: what to call it, what it may be used for, and for how many seconds. `write` includes `read`. */
export const newTokenInput = z.object({
  name: z
    .string()
    .max(nameCharactersMax)
    .refine((name) => !name.includes('\0') && name.isWellFormed(), 'A name is text without NUL.')
    .default(''),
  scopes: stringList({ min: 1, max: tokenScopes.length })
    .pipe(z.array(z.enum(tokenScopes)))
    .default([...tokenScopes]),
  expires_in: queryInteger({ min: expiresInMin, max: expiresInMax }).default(expiresInDefault),
});

/** A token as its owner sees it. */
export const tokenBody = z
  .object({
    id: uuid,
    name: z.string(),
    scopes: z.array(z.enum(tokenScopes)),
    created_at: instant,
    expires_at: instant,
    last_used_at: instant.nullable(),
  })
  .meta({ id: 'Token' });

/** Reply of `GET /tokens`. */
export const tokenListBody = z.object({ items: z.array(tokenBody) });

/** Reply of `POST /tokens`: the one time the token itself is shown. */
export const newTokenBody = z.object({ ...tokenBody.shape, token: z.string() });
