import { z } from 'zod';

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
