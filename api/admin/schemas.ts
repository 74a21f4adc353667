import { z } from 'zod';
import { queryInteger } from '../http/schema.ts';
import { count, instant, uuid } from '../http/wire.ts';

const emailCharactersMax = 254;
const policyCharactersMax = 64;
const roles = ['user', 'admin'] as const;
const states = ['active', 'inactive'] as const;

/** A user or a keypair that is switched on, or off. */
export const switchState = z.enum(states);

/** How many items of a list one page has. */
export const pageLimit = queryInteger({ min: 1, max: 500 }).default(100);

/** Text that Postgres can hold. */
export function plainText(charactersMax: number) {
  return z
    .string()
    .min(1)
    .max(charactersMax)
    .refine((text) => !text.includes('\0') && text.isWellFormed(), 'This is text without NUL.');
}

/** A user by id or by e-mail address. */
export const userReference = z.string().min(1).max(emailCharactersMax);

/** `POST /admin/users`. */
export const newUserInput = z.object({
  email: z.email().max(emailCharactersMax),
});

/** `GET /admin/users`: `cursor` is the id of the last user of the page before; `text` is a part of the address. */
export const userListInput = z.object({
  state: switchState.optional(),
  role: z.enum(roles).optional(),
  text: plainText(emailCharactersMax).optional(),
  cursor: z.string().optional(),
  limit: pageLimit,
});

/** `PATCH /admin/users/:id`: what is left out stays. */
export const userChangeInput = z
  .object({
    state: switchState.optional(),
    role: z.enum(roles).optional(),
    policy: plainText(policyCharactersMax).optional(),
  })
  .refine(
    (change) => Object.values(change).some((value) => value !== undefined),
    'Give state, role, policy or several of them.',
  );

/** Reply of `POST /admin/users`. */
export const newUserBody = z.object({ id: uuid, email: z.string() });

/** One item of `GET /admin/users`. */
export const userBody = z
  .object({
    id: uuid,
    email: z.string(),
    role: z.enum(roles),
    is_active: z.boolean(),
    policy: z.string(),
    created_at: instant,
  })
  .meta({ id: 'User' });

/** Reply of `GET /admin/users/:id`: the user with what they have. */
export const userDetailsBody = z
  .object({
    ...userBody.shape,
    folders: count,
    used_bytes: count,
    used_files: count,
    keypairs: count,
    tokens: count,
  })
  .meta({ id: 'UserDetails' });

/** Reply of `GET /admin/users`. */
export const userPageBody = z.object({ items: z.array(userBody), next_cursor: uuid.nullable() });
