import { domainError } from '../../domain/errors.ts';

/** How many requests of one keypair, or without one from one address, a process serves at the same time. */
export interface ConcurrencyLimits {
  readonly requestsMax: number;
  /** Those of them that carry content, which last and take a share of the disks and the network. */
  readonly transfersMax: number;
}

/** Places for running requests, by keypair or address. */
export interface Concurrency {
  /**
   * Takes a place until the function it answers is called. `key` is a keypair or, for routes that need none, an address.
   * @throws requests_busy
   */
  enter(key: string, isTransfer: boolean): () => void;
}

interface Running {
  requests: number;
  transfers: number;
}

function refuse(limit: number, what: string): never {
  throw domainError(
    'requests_busy',
    `At most ${limit} ${what} of a keypair, or without one from an address, are served at the same time.`,
    {
      extra: { limit },
    },
  );
}

/** Makes the limit of a process. What is counted is what runs, so it cannot go stale and needs no store. */
export function createConcurrency({ requestsMax, transfersMax }: ConcurrencyLimits): Concurrency {
  const byKey = new Map<string, Running>();
  return {
    enter(key, isTransfer) {
      const running = byKey.get(key) ?? { requests: 0, transfers: 0 };
      if (running.requests >= requestsMax) refuse(requestsMax, 'requests');
      if (isTransfer && running.transfers >= transfersMax) refuse(transfersMax, 'uploads and downloads');
      byKey.set(key, running);
      running.requests += 1;
      if (isTransfer) running.transfers += 1;
      return () => {
        running.requests -= 1;
        if (isTransfer) running.transfers -= 1;
        if (running.requests === 0) byKey.delete(key);
      };
    },
  };
}
