import { randomBytes } from 'node:crypto';
import { routes } from '../../../api/routes.ts';
import { createServer, type ServerOptions } from '../../../api/server.ts';
import type { Services } from '../../../api/services.ts';
import { insertKeypair } from '../../../db/queries/keypairs.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Headers by which somebody is known. */
export type Proof = Readonly<Record<string, string>>;

/** One more server on the parts of another, with settings of its own. */
export interface LinkServer {
  readonly base: string;
  /** Makes another keypair of a user. */
  signUp(userId: string): Promise<Proof>;
  /** Asks for JSON, of a directory for its listing. */
  get(path: string, headers?: Proof): Promise<Response>;
  /** @returns the members of the answer's JSON, and its status */
  post(path: string, call: { readonly by: Proof; readonly body: object }): Promise<object>;
  close(): Promise<void>;
}

/** Starts it, with all routes unless others are given. */
export async function startLinkServer(
  services: Services,
  options: Partial<Omit<ServerOptions, 'services'>>,
): Promise<LinkServer> {
  const server = createServer({ services, routes, logger: silent, ...options });
  const base = `http://127.0.0.1:${await server.listen({ port: 0, host: '127.0.0.1' })}`;
  return {
    base,
    signUp: async (userId) => {
      const accessKey = `AK${randomBytes(9).toString('hex').toUpperCase()}`;
      const secretSealed = services.secrets.seal('secret');
      await insertKeypair(services.db, { accessKey, userId, secretSealed });
      return { authorization: `Basic ${Buffer.from(`${accessKey}:secret`).toString('base64')}` };
    },
    get: (path, headers = {}) =>
      fetch(`${base}${path}`, { headers: { accept: 'application/json', ...headers } }),
    post: async (path, { by, body }) => {
      const headers = { ...by, 'content-type': 'application/json' };
      const answer = await fetch(`${base}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
      return { ...Object(await answer.json()), status: answer.status };
    },
    close: () => server.close(1_000),
  };
}
