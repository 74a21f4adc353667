import type { RateAddition, RateTotal } from '../../db/queries/rate-counts.ts';
import { type RateCounts, rateSpanOf } from '../../domain/rate-window.ts';
import type { SharedRateCounts } from '../../jobs/rate-counts.ts';

/** How often a process adds what it counted to the shared counts. */
const shareEveryMs = 1_000;
/** Keys whose counts are kept; beyond, the one unseen for longest is forgotten. An attacker has many addresses. */
const keysMax = 100_000;
const additionsPerCall = 1_000;

/** The counts of all processes, as far as this one knows. */
export interface RateTally {
  read(key: string, span: number): RateCounts;
  count(key: string, span: number): void;
  /** Hands over what is left, and stops. */
  close(): Promise<void>;
}

interface Known {
  readonly span: number;
  readonly previous: number;
  /** Everything known of the span, what is not shared yet included. */
  current: number;
}

const nameOf = ({ key, span }: Pick<RateAddition, 'key' | 'span'>): string => `${span} ${key}`;

/** Makes the tally of a process. */
export function createRateTally(options: {
  readonly shared: SharedRateCounts | undefined;
  readonly now: () => number;
}): RateTally {
  const { shared, now } = options;
  const known = new Map<string, Known>();
  let waiting = new Map<string, RateAddition>();
  let timer: NodeJS.Timeout | undefined;
  let sharing: Promise<void> | undefined;

  const look = (key: string, span: number): Known => {
    const before = known.get(key);
    if (before?.span === span) return before;
    const previous = before?.span === span - 1 ? before.current : 0;
    return { span, previous, current: 0 };
  };
  const keep = (key: string, value: Known): void => {
    known.delete(key);
    known.set(key, value);
    const [oldest] = known.keys();
    if (known.size > keysMax && oldest !== undefined) known.delete(oldest);
  };
  const wait = ({ key, span, count }: RateAddition): void => {
    const name = nameOf({ key, span });
    waiting.set(name, { key, span, count: count + (waiting.get(name)?.count ?? 0) });
  };
  const learn = ({ key, span, previous, current }: RateTotal): void => {
    if ((known.get(key)?.span ?? span) > span) return;
    const own = waiting.get(nameOf({ key, span }))?.count ?? 0;
    keep(key, { span, previous, current: current + own });
  };
  const repeatLater = (batch: readonly RateAddition[]): void => {
    // What is old by the time the store is back does not matter any more.
    const oldest = rateSpanOf(now()) - 1;
    for (const addition of batch) {
      if (addition.span >= oldest && waiting.size < keysMax) wait(addition);
    }
  };
  const share = async (store: SharedRateCounts): Promise<void> => {
    const additions = [...waiting.values()];
    waiting = new Map();
    for (let from = 0; from < additions.length; from += additionsPerCall) {
      const batch = additions.slice(from, from + additionsPerCall);
      try {
        (await store.add(batch)).forEach(learn);
      } catch {
        repeatLater(batch);
      }
    }
  };
  const schedule = (): void => {
    if (shared === undefined || timer !== undefined) return;
    timer = setTimeout(() => {
      sharing = share(shared).finally(() => {
        timer = undefined;
        if (waiting.size > 0) schedule();
      });
    }, shareEveryMs).unref();
  };
  return {
    read: look,
    count: (key, span) => {
      const value = look(key, span);
      value.current += 1;
      keep(key, value);
      if (shared === undefined) return;
      wait({ key, span, count: 1 });
      schedule();
    },
    close: async () => {
      clearTimeout(timer);
      await sharing;
      clearTimeout(timer);
      if (shared !== undefined) await share(shared);
    },
  };
}
