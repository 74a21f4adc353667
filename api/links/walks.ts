import { domainError } from '../../domain/errors.ts';

/** Walks of one link that are under way in a process, and those that wait for their end. */
const usual = { parallelMax: 3, waitingMax: 32 };

/** Bounds the walks over what links lead to that count as no use: one for each process. */
export interface LinkWalks {
  /** Walks as soon as few others of the same link do. @throws requests_busy when too many wait; what `walk` throws */
  run<T>(linkId: string, walk: () => Promise<T>): Promise<T>;
}

interface Line {
  working: number;
  readonly waiting: (() => void)[];
}

/** Opens the bounds of a process. */
export function openLinkWalks({ parallelMax, waitingMax } = usual): LinkWalks {
  const lines = new Map<string, Line>();
  const enter = async (linkId: string): Promise<Line> => {
    const line = lines.get(linkId) ?? { working: 0, waiting: [] };
    if (line.working < parallelMax) {
      line.working += 1;
      lines.set(linkId, line);
    } else if (line.waiting.length < waitingMax) {
      // Whoever ends hands its place on.
      await new Promise<void>((resolve) => line.waiting.push(resolve));
    } else
      throw domainError('requests_busy', 'What this link leads to is looked over too often at the moment.');
    return line;
  };
  return {
    run: async (linkId, walk) => {
      const line = await enter(linkId);
      try {
        return await walk();
      } finally {
        const next = line.waiting.shift();
        if (next !== undefined) next();
        else {
          line.working -= 1;
          if (line.working === 0) lines.delete(linkId);
        }
      }
    },
  };
}
