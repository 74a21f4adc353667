import { domainError } from '../../domain/errors.ts';

/** Places for streams of events, which may last for minutes, by user. */
export interface StreamSeats {
  /** Takes a place until the function it answers is called. @throws requests_busy */
  enter(userId: string): () => void;
}

/** Streams of one user that a process serves at the same time: some pages and some programs. */
export const streamsPerUserMax = 32;

/** Makes the places of a process. */
export function createStreamSeats(limit = streamsPerUserMax): StreamSeats {
  const taken = new Map<string, number>();
  return {
    enter(userId) {
      const count = taken.get(userId) ?? 0;
      if (count >= limit) {
        const detail = `At most ${limit} streams of events of a user are served at the same time.`;
        throw domainError('requests_busy', detail, { extra: { limit } });
      }
      taken.set(userId, count + 1);
      return () => {
        const left = (taken.get(userId) ?? 1) - 1;
        if (left === 0) taken.delete(userId);
        else taken.set(userId, left);
      };
    },
  };
}
