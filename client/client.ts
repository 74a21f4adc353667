import { type AccountApi, openAccount } from './account.ts';
import { type AdminApi, openAdmin } from './admin.ts';
import { type FilesApi, openFiles } from './files.ts';
import { type FoldersApi, openFolders } from './folders.ts';
import { type Http, type HttpOptions, openHttp } from './http.ts';
import { type JobsApi, openJobs } from './jobs.ts';
import { type LinksApi, openLinks } from './links.ts';
import { type MountsApi, openMounts } from './mounts.ts';
import { openSharing, type SharingApi } from './sharing.ts';
import { openUploads, type UploadsApi } from './uploads.ts';

/** One service, as one caller. All methods of all parts may be used concurrently, and throw what `Http` throws. */
export interface VFolderClient {
  readonly http: Http;
  readonly account: AccountApi;
  readonly folders: FoldersApi;
  readonly files: FilesApi;
  readonly uploads: UploadsApi;
  readonly sharing: SharingApi;
  readonly links: LinksApi;
  readonly mounts: MountsApi;
  readonly jobs: JobsApi;
  readonly admin: AdminApi;
}

/**
 * Opens a client of a service; nothing is sent yet.
 *
 *     const client = openClient({ url, credentials: { kind: 'token', token }, userAgent: 'my-tool/1' });
 *     for await (const entry of client.files.list({ folder: 'My Data', path: '' })) console.log(entry.name);
 */
export function openClient(options: HttpOptions): VFolderClient {
  const http = openHttp(options);
  return {
    http,
    account: openAccount(http),
    folders: openFolders(http),
    files: openFiles(http),
    uploads: openUploads(http),
    sharing: openSharing(http),
    links: openLinks(http),
    mounts: openMounts(http),
    jobs: openJobs(http),
    admin: openAdmin(http),
  };
}
