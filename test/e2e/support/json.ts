/** One step into a JSON value: a key or an index. */
export type Step = string | number;

/**
 * The value that `steps` lead to, `undefined` when there is none.
 *
 *     at(answer.json, 'items', 0, 'name')
 */
export function at(value: unknown, ...steps: readonly Step[]): unknown {
  let current = value;
  for (const step of steps) {
    if (typeof current !== 'object' || current === null) return undefined;
    current = Reflect.get(current, step);
  }
  return current;
}

/** As {@link at}, for a text. Throws, showing the whole value, when something else is there. */
export function textAt(value: unknown, ...steps: readonly Step[]): string {
  const found = at(value, ...steps);
  if (typeof found !== 'string') throw unexpected('text', steps, value);
  return found;
}

/** As {@link at}, for a number. */
export function numberAt(value: unknown, ...steps: readonly Step[]): number {
  const found = at(value, ...steps);
  if (typeof found !== 'number') throw unexpected('number', steps, value);
  return found;
}

/** As {@link at}, for a list. */
export function listAt(value: unknown, ...steps: readonly Step[]): readonly unknown[] {
  const found = at(value, ...steps);
  if (!Array.isArray(found)) throw unexpected('list', steps, value);
  return found;
}

/** The texts under `key` in every member of the list that `steps` lead to: `textsAt(json, 'name', 'items')`. */
export function textsAt(value: unknown, key: string, ...steps: readonly Step[]): string[] {
  return listAt(value, ...steps).map((member) => textAt(member, key));
}

function unexpected(what: string, steps: readonly Step[], value: unknown): Error {
  return new Error(`There is no ${what} at ${steps.join('.')} of ${JSON.stringify(value)}`);
}
