import { createRequire } from 'node:module';
import { z } from 'zod';
import type { Keypair } from '../support/signature.ts';
import type { PublishedClient, PublishedPackage, VFolder } from './npm-client-types.ts';

// The file that its package.json names as the main one does not exist.
const { Client, ClientConfig } = z
  .custom<PublishedPackage>((loaded) => typeof loaded === 'object')
  .parse(createRequire(import.meta.url)('backend.ai-client/backend.ai-client-node.js'));

/** The client keeps a log of its requests where browsers would; nothing reads it here. */
function standInForBrowser(): void {
  const log = new Map<string, string>();
  const localStorage = {
    getItem: (key: string) => log.get(key) ?? null,
    setItem: (key: string, value: string) => void log.set(key, value),
    removeItem: (key: string) => void log.delete(key),
  };
  Object.defineProperty(globalThis, 'localStorage', { value: localStorage, configurable: true });
  if (!('navigator' in globalThis)) {
    Object.defineProperty(globalThis, 'navigator', { value: { onLine: true }, configurable: true });
  }
}

/** The published JavaScript client after its handshake. */
export interface NpmClient {
  /** What the service told it to speak. */
  readonly apiVersion: string | null;
  readonly vfolder: VFolder;
  readonly query: PublishedClient['query'];
}

/** Connects the client as a user; the handshake decides which routes it uses. */
export async function connectNpmClient(url: string, keypair: Keypair): Promise<NpmClient> {
  standInForBrowser();
  const client = new Client(new ClientConfig(keypair.accessKey, keypair.secretKey, url), 'test');
  client.requestTimeout = 60_000;
  await client.get_manager_version();
  return {
    apiVersion: client.apiVersion,
    vfolder: client.vfolder,
    query: (query, variables) => client.query(query, variables),
  };
}

const refusal = z.object({
  isError: z.literal(true),
  statusCode: z.number(),
  title: z.string(),
  message: z.string(),
  description: z.string(),
});

/** What the client throws when a call is refused. Throws when it is not. */
export async function refusalOf(call: Promise<unknown>): Promise<z.infer<typeof refusal>> {
  const outcome = await call.then(
    (answer) => new Error(`The call succeeded: ${JSON.stringify(answer)}`),
    (thrown: unknown) => thrown,
  );
  return refusal.parse(outcome);
}

/** The bytes of a download, whichever form the client hands over. */
export async function bytesOf(download: Blob | Response): Promise<Buffer> {
  return Buffer.from(await download.arrayBuffer());
}
