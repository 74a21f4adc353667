/** What one check came to. `mend` is one sentence, and there for everything that is not well. */
export type Finding =
  | { readonly state: 'ok' | 'skipped'; readonly detail: string }
  | { readonly state: 'bad'; readonly detail: string; readonly mend: string };

/** One question to the installation. */
export interface Check {
  readonly name: string;
  /** May throw: then it is bad, with `mend` of the check. */
  readonly run: () => Promise<Finding> | Finding;
  readonly mend: string;
}

/** A finding under its name. */
export type NamedFinding = Finding & { readonly name: string };

/** All is well. */
export function ok(detail: string): Finding {
  return { state: 'ok', detail };
}

/** Something is wrong, and how to mend it. */
export function bad(detail: string, mend: string): Finding {
  return { state: 'bad', detail, mend };
}

/** Does not apply here. */
export function skipped(detail: string): Finding {
  return { state: 'skipped', detail };
}

const checkMsMax = 15_000;

async function withinDeadline(run: Check['run'], msMax: number): Promise<Finding> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${msMax / 1000} s`)), msMax);
  });
  try {
    return await Promise.race([Promise.resolve().then(run), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Why something failed, without a stack. */
export function reasonOf(error: unknown): string {
  let deepest: unknown = error;
  while (deepest instanceof Error && deepest.cause instanceof Error) deepest = deepest.cause;
  if (!(deepest instanceof Error)) return String(deepest);
  return deepest.message === '' && 'code' in deepest ? String(deepest.code) : deepest.message;
}

/** Makes a check; one that hangs or throws is bad. */
export async function examine(check: Check, msMax: number = checkMsMax): Promise<NamedFinding> {
  try {
    return { name: check.name, ...(await withinDeadline(check.run, msMax)) };
  } catch (error) {
    return { name: check.name, ...bad(reasonOf(error), check.mend) };
  }
}
