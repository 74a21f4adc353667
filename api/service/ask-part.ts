import timers from 'node:timers/promises';

/** A part has to answer within this long to count as usable. */
export const answerMsMax = 2_000;

/**
 * Makes a question to parts of one kind that never waits long: it answers `undefined` when a part fails or takes longer
 * than 2 s. Hung storage keeps its call for ever, so a part that has not answered is not asked again meanwhile.
 */
export function questionTo<Part extends object, Answer>(
  ask: (part: Part) => Promise<Answer>,
): (part: Part) => Promise<Answer | undefined> {
  const pending = new WeakMap<Part, Promise<Answer>>();
  return async (part) => {
    const asked = pending.get(part) ?? ask(part).finally(() => pending.delete(part));
    pending.set(part, asked);
    const late = new AbortController();
    const lateness = timers
      .setTimeout(answerMsMax, undefined, { signal: late.signal, ref: false })
      .catch(() => undefined);
    const answer = await Promise.race([asked.catch(() => undefined), lateness]);
    late.abort();
    return answer;
  };
}
