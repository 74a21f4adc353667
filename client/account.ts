import { z } from 'zod';
import { isProblem } from './errors.ts';
import { type Http, pathOf } from './http.ts';
import {
  type IssuedKeypair,
  issuedKeypairModel,
  type Keypair,
  keypairModel,
  type Token,
  tokenModel,
} from './models.ts';
import { readPages } from './pages.ts';

const meModel = z.looseObject({});
const createdTokenModel = tokenModel.extend({ token: z.string() });

/** A token as it is wanted. */
export interface NewToken {
  readonly name: string | undefined;
  readonly scopes: readonly string[] | undefined;
  readonly expiresInSeconds: number | undefined;
}

/** The caller and what they sign in with. */
export interface AccountApi {
  /** Proves the credentials; what the service says of the caller, as far as it does. */
  whoami(): Promise<Readonly<Record<string, unknown>>>;
  version(): Promise<{ readonly manager: string; readonly version: string }>;
  createToken(token: NewToken): Promise<z.infer<typeof createdTokenModel>>;
  tokens(): Promise<Token[]>;
  revokeToken(id: string): Promise<void>;
  keypairs(): Promise<Keypair[]>;
  /** Gives one of the caller's keypairs another secret. */
  rotateKeypair(accessKey: string): Promise<IssuedKeypair>;
}

async function whoami(http: Http): Promise<Readonly<Record<string, unknown>>> {
  try {
    return await http.read('GET', '/me', meModel);
  } catch (error) {
    if (!isProblem(error, 'not_found')) throw error;
    // A service that does not introduce its callers still tells whether it knows them.
    await http.read('GET', '/auth', z.unknown());
    return {};
  }
}

/** Opens the caller's account. */
export function openAccount(http: Http): AccountApi {
  return {
    whoami: () => whoami(http),
    version: () => http.read('GET', '/', z.looseObject({ manager: z.string(), version: z.string() })),
    createToken: ({ name, scopes, expiresInSeconds }) =>
      http.read('POST', '/tokens', createdTokenModel, {
        json: { name, scopes, expires_in: expiresInSeconds },
      }),
    tokens: async () =>
      (await http.read('GET', '/tokens', z.looseObject({ items: z.array(tokenModel) }))).items,
    keypairs: () => readPages(http, '/me/keypairs', keypairModel),
    rotateKeypair: (accessKey) =>
      http.read('POST', pathOf('me', 'keypairs', accessKey, 'rotate'), issuedKeypairModel),
    revokeToken: (id) => http.change('DELETE', pathOf('tokens', id)),
  };
}
