import { z } from 'zod';
import { pageLimit, switchState, userReference } from '../admin/schemas.ts';
import { instant, uuid } from '../http/wire.ts';

/** `POST /admin/keypairs`: whose it shall be. */
export const newKeypairInput = z.object({ user: userReference });

/** `GET /admin/keypairs`: `user` is an id or e-mail address; `cursor` the last access key of the page before. */
export const keypairListInput = z.object({
  user: userReference.optional(),
  state: switchState.optional(),
  cursor: z.string().optional(),
  limit: pageLimit,
});

/** `GET /me/keypairs`. */
export const ownKeypairListInput = keypairListInput.omit({ user: true });

/** `PATCH /admin/keypairs/:key`. */
export const keypairChangeInput = z.object({ state: switchState });

/** A keypair without its secret. */
export const keypairBody = z
  .object({
    access_key: z.string(),
    user: uuid,
    email: z.string(),
    is_active: z.boolean(),
    created_at: instant,
  })
  .meta({ id: 'Keypair' });

/** Reply of `GET /admin/keypairs` and `GET /me/keypairs`. */
export const keypairPageBody = z.object({
  items: z.array(keypairBody),
  next_cursor: z.string().nullable(),
});

/** A keypair at the only moment its secret is shown. */
export const issuedKeypairBody = z.object({ access_key: z.string(), secret_key: z.string() });
