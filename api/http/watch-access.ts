/** With the time a check takes, a right taken away ends a running stream within 5 s. */
const checkEveryMs = 3_500;
/** Without an answer from the database nobody can take a right away either; but not for ever. */
const uncertainMsMax = 30_000;

/** A running watch. `end` must be called. */
export interface AccessWatch {
  /** Aborted when the right is gone, or when the signal given is. Made when it is first asked for: most answers are short. */
  readonly signal: AbortSignal;
  /** Whether that is so already. */
  readonly isOver: boolean;
  /** Asks at once, where there is reason to. */
  look(): void;
  end(): void;
}

/**
 * Asks again and again whether the caller may still read what is being sent. `check` answers from the database, as of
 * now; errors are borne for 30 s.
 */
export function watchAccess(check: () => Promise<boolean>, signal: AbortSignal): AccessWatch {
  const revoked = new AbortController();
  let either: AbortSignal | undefined;
  let sureAt = performance.now();
  let isEnded = false;
  let isRevoked = false;
  let timer: NodeJS.Timeout | undefined;
  const ask = async (): Promise<void> => {
    let mayRead: boolean;
    try {
      mayRead = await check();
      sureAt = performance.now();
    } catch {
      mayRead = performance.now() - sureAt < uncertainMsMax;
    }
    if (isEnded) return;
    if (mayRead) schedule();
    else {
      isRevoked = true;
      revoked.abort(new Error('The right to read this was taken away.'));
    }
  };
  const schedule = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => void ask(), checkEveryMs).unref();
  };
  schedule();
  return {
    get signal() {
      either ??= AbortSignal.any([signal, revoked.signal]);
      return either;
    },
    get isOver() {
      return signal.aborted || isRevoked;
    },
    look() {
      if (!isEnded) void ask();
    },
    end() {
      isEnded = true;
      clearTimeout(timer);
    },
  };
}
