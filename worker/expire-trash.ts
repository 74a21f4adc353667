import { takeExpiredTrash } from '../db/queries/folder-trash.ts';
import type { JobHandler } from '../jobs/handler.ts';
import type { WorkerServices } from './services.ts';

const batchSize = 100;

/** Ends a batch of folders, each with the job that frees it, in one transaction. @returns ids of the jobs */
async function expireBatch(services: WorkerServices, volume: string): Promise<string[]> {
  return services.db.transaction(async (tx) => {
    const ids = await takeExpiredTrash(tx, { volume, limit: batchSize });
    const jobIds: string[] = [];
    for (const folderId of ids) {
      const purge = { kind: 'folder.purge', payload: {}, volume, folderId, actorId: null } as const;
      jobIds.push(await services.jobs.enqueue(tx, purge));
    }
    return jobIds;
  });
}

/** Ends folders in the trash whose time is over: nobody can have them back any more, and their content is freed. */
export function expireTrash(services: WorkerServices): JobHandler<'trash.expire'> {
  return {
    run: async ({ job, signal }) => {
      let expired = 0;
      for (;;) {
        signal.throwIfAborted();
        const jobIds = await expireBatch(services, job.volume);
        services.jobs.dispatch(jobIds);
        expired += jobIds.length;
        if (jobIds.length < batchSize) return { result: { expired } };
      }
    },
  };
}
