import { z } from 'zod';
import { instant, uuid } from '../http/wire.ts';

const emailCharactersMax = 254;

/** `POST /admin/users`. */
export const newUserInput = z.object({
  email: z.email().max(emailCharactersMax),
});

/** `POST /admin/keypairs`: whose it shall be, by id or by e-mail address. */
export const newKeypairInput = z.object({
  user: z.string().min(1).max(emailCharactersMax),
});

/** `GET /admin/users`: `cursor` is the id of the last user of the page before. */
export const userListInput = z.object({ cursor: z.string().optional() });

/** Reply of `POST /admin/users`. */
export const newUserBody = z.object({ id: uuid, email: z.string() });

/** One item of `GET /admin/users`. */
export const userBody = z
  .object({
    id: uuid,
    email: z.string(),
    role: z.enum(['user', 'admin']),
    is_active: z.boolean(),
    created_at: instant,
  })
  .meta({ id: 'User' });

/** Reply of `GET /admin/users`. */
export const userPageBody = z.object({ items: z.array(userBody), next_cursor: uuid.nullable() });

/** Reply of `POST /admin/keypairs`. */
export const newKeypairBody = z.object({ access_key: z.string(), secret_key: z.string() });
