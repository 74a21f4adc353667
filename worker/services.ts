import type { Database } from '../db/client.ts';
import type { JobClient } from '../jobs/job-client.ts';
import type { JobLogger } from '../jobs/logger.ts';
import type { Volume } from '../storage/volume.ts';
import type { PathClaimer } from './path-claimer.ts';

/** What job handlers may use; made once in `main.ts`, handed to every handler factory. */
export interface WorkerServices {
  readonly db: Database;
  /** By name; a worker only gets jobs of the volumes listed here. */
  readonly volumes: ReadonlyMap<string, Volume>;
  /** For handlers that give work to others: `enqueue` in a transaction, `dispatch` after it. */
  readonly jobs: Pick<JobClient, 'enqueue' | 'enqueueAll' | 'dispatch'>;
  readonly logger: JobLogger;
  /** How long entries of the audit log are kept. Default: as usual. */
  readonly auditDays?: number;
  /** Batches of rows that one run forgets of a table. Default: as usual. */
  readonly forgetBatchesMax?: number;
}

/** What handlers have beside it, shared by all of one process. */
export interface HandlerServices extends WorkerServices {
  readonly claimPaths: PathClaimer;
}
