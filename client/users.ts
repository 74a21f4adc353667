import type { z } from 'zod';
import { type Http, pathOf } from './http.ts';
import {
  type IssuedKeypair,
  issuedKeypairModel,
  type Keypair,
  keypairModel,
  newUserModel,
  type User,
  type UserDetails,
  userDetailsModel,
  userModel,
} from './models.ts';
import { readPages } from './pages.ts';

/** Whether a user or a keypair is switched on. */
export type SwitchState = 'active' | 'inactive';

/** Which users to list; what is left out is no condition. `text` is a part of the address. */
export interface UserFilter {
  readonly state?: string | undefined;
  readonly role?: string | undefined;
  readonly text?: string | undefined;
}

/** What administrators do with users and keypairs. A user is named by id or e-mail address. */
export interface UsersApi {
  list(filter?: UserFilter): Promise<User[]>;
  show(user: string): Promise<UserDetails>;
  create(email: string): Promise<z.infer<typeof newUserModel>>;
  change(
    user: string,
    change: { readonly state?: SwitchState; readonly role?: string; readonly policy?: string },
  ): Promise<UserDetails>;
  /** Those of one user, or all. */
  keypairs(user: string | undefined): Promise<Keypair[]>;
  createKeypair(user: string): Promise<IssuedKeypair>;
  switchKeypair(accessKey: string, state: SwitchState): Promise<Keypair>;
  /** Gives a keypair another secret. */
  rotateKeypair(accessKey: string): Promise<IssuedKeypair>;
  removeKeypair(accessKey: string): Promise<void>;
}

/** Opens the administration of users. */
export function openUsers(http: Http): UsersApi {
  const keypair = (accessKey: string) => pathOf('admin', 'keypairs', accessKey);
  return {
    list: (filter = {}) => readPages(http, '/admin/users', userModel, { ...filter }),
    show: (user) => http.read('GET', pathOf('admin', 'users', user), userDetailsModel),
    create: (email) => http.read('POST', '/admin/users', newUserModel, { json: { email } }),
    change: (user, json) => http.read('PATCH', pathOf('admin', 'users', user), userDetailsModel, { json }),
    keypairs: (user) => readPages(http, '/admin/keypairs', keypairModel, { user }),
    createKeypair: (user) => http.read('POST', '/admin/keypairs', issuedKeypairModel, { json: { user } }),
    switchKeypair: (accessKey, state) =>
      http.read('PATCH', keypair(accessKey), keypairModel, { json: { state } }),
    rotateKeypair: (accessKey) => http.read('POST', `${keypair(accessKey)}/rotate`, issuedKeypairModel),
    removeKeypair: (accessKey) => http.change('DELETE', keypair(accessKey)),
  };
}
