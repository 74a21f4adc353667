import { randomBytes } from 'node:crypto';
import { archiveRoutes } from '../../../api/archives/routes.ts';
import { createServer } from '../../../api/server.ts';
import type { Services } from '../../../api/services.ts';
import { uploadRoutes } from '../../../api/uploads/routes.ts';
import { insertKeypair } from '../../../db/queries/keypairs.ts';
import type { Volume } from '../../../storage/volume.ts';
import { insertTestFolder } from '../../support/factories.ts';
import { startTestService } from '../folders/test-service.ts';

/** One user's server with the routes for uploads and archives; no worker runs what they ask for. */
export interface UploadService {
  readonly port: number;
  readonly services: Services;
  readonly volume: Volume;
  readonly userId: string;
  /** The user's Basic credentials. */
  readonly authorization: string;
  /** A folder of the user, with its directories. */
  makeFolder(quota: { readonly quotaBytes?: number; readonly quotaFiles?: number }): Promise<{
    readonly id: string;
    readonly name: string;
  }>;
  /** Uploads a body whose boundary is `b`. */
  post(
    folder: string,
    body: string | ReadableStream,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Response>;
  close(): Promise<void>;
}

/** Starts it; `close` leaves nothing behind. */
export async function startUploadService(): Promise<UploadService> {
  const base = await startTestService();
  const { services, volume } = base;
  const { userId } = await base.signUp();
  const accessKey = `AK${randomBytes(9).toString('hex').toUpperCase()}`;
  await insertKeypair(services.db, { accessKey, userId, secretSealed: services.secrets.seal('secret') });
  const authorization = `Basic ${Buffer.from(`${accessKey}:secret`).toString('base64')}`;
  const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const server = createServer({ services, routes: [...uploadRoutes, ...archiveRoutes], logger });
  const port = await server.listen({ port: 0, host: '127.0.0.1' });
  return {
    port,
    services,
    volume,
    userId,
    authorization,
    makeFolder: async (quota) => {
      const folder = await insertTestFolder(services.db, { ownerId: userId, ...quota });
      await volume.createFolder(folder.id);
      return folder;
    },
    post: (folder, body, headers = {}) =>
      fetch(`http://127.0.0.1:${port}/folders/${folder}/upload`, {
        method: 'POST',
        headers: {
          Authorization: authorization,
          'Content-Type': 'multipart/form-data; boundary=b',
          Prefer: 'respond-async',
          ...headers,
        },
        body,
        ...(typeof body === 'string' ? {} : { duplex: 'half' }),
      }),
    close: async () => {
      await server.close(1_000);
      await base.close();
    },
  };
}
