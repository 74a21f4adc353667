import type { Database } from '../db/client.ts';
import type { JobNotifications } from '../db/notifications.ts';
import type { KeyClaim } from '../db/queries/idempotency-keys.ts';
import type { SecretBox } from '../db/secret-box.ts';
import type { ApiVersion } from '../domain/api-version.ts';
import type { TraceContext } from '../domain/trace.ts';
import type { JobClient } from '../jobs/job-client.ts';
import type { Volume } from '../storage/volume.ts';
import type { UploadStatements } from './uploads/statements.ts';

/** What operations may use; made once in `main.ts`, handed down as an argument. */
export interface Services {
  readonly db: Database;
  readonly jobs: JobClient;
  /** Hears what other processes tell; all of it is a hint. Default: nothing is heard. */
  readonly notifications?: Pick<JobNotifications, 'subscribe'>;
  /** What uploads, and requests for the same folder, that come at the same time ask for together. */
  readonly uploads: UploadStatements;
  /** By name, those of `VFOLDER_VOLUMES`. */
  readonly volumes: ReadonlyMap<string, Volume>;
  readonly secrets: SecretBox;
  /** The dashboard of the queues shows only. */
  readonly isDashboardReadOnly: boolean;
  readonly version: string;
  /** How long deleted folders can be had back; 0: not at all. */
  readonly trashDays: number;
  /** How long links may last, in days; 0: none can be made, and none leads anywhere. Default: `linkDaysDefault`. */
  readonly linkDays?: number;
  /** What clients negotiate with. */
  readonly apiVersion: ApiVersion;
  /** Aborts when this process stops: it answers what it is asked, but is not ready any more. Default: never. */
  readonly stopping?: AbortSignal;
  /** Where callers reach the service, path prefix included, without a slash at the end. `undefined`: as they wrote it. */
  readonly publicUrl?: string | undefined;
  /** The `Idempotency-Key` that this request holds; the jobs it makes are noted with it. */
  readonly key?: KeyClaim;
  /** The span that this request's jobs belong to. */
  readonly trace?: TraceContext;
}
