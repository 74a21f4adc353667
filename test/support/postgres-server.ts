import { startEmbeddedPostgres } from '../../runtime/embedded-postgres.ts';
import { createTempDir } from './temp-dir.ts';

/** The Postgres of a test run. */
export interface TestServer {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Starts the embedded Postgres in a temporary directory without fsync. `VFOLDER_TEST_SERVER_URL` (a superuser of a
 * running server) is used instead when set, which saves two seconds per run.
 */
export async function startTestServer(): Promise<TestServer> {
  const given = process.env.VFOLDER_TEST_SERVER_URL;
  if (given !== undefined) return { url: given, stop: async () => undefined };
  const dir = await createTempDir();
  const server = await startEmbeddedPostgres({ dataDir: dir.path, durable: false });
  return {
    url: server.url,
    stop: async () => {
      await server.stop();
      await dir.remove();
    },
  };
}
