import { isDomainError } from '../domain/errors.ts';
import { JobRetryError } from '../jobs/handler.ts';

/** Runs work that makes room itself: a full volume is no reason to give it up. @throws JobRetryError for volume_full */
export async function despiteFullVolume<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isDomainError(error, 'volume_full') ? new JobRetryError(error) : error;
  }
}
