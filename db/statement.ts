import { type Query, SQL, type SQLWrapper } from 'drizzle-orm';

/** What a parameter of a statement may be. */
export type Parameter = string | number | boolean | null;

/** Text that several statements share. */
export interface Fragment {
  readonly text: string;
}

/** Makes a fragment, of others too; its text is part of the program, never of the input. */
export function fragment(strings: TemplateStringsArray, ...parts: readonly Fragment[]): Fragment {
  return { text: String.raw({ raw: strings }, ...parts.map(({ text }) => text)) };
}

function isFragment(value: Parameter | Fragment): value is Fragment {
  return typeof value === 'object' && value !== null;
}

const texts = new WeakMap<TemplateStringsArray, string>();

function textOf(strings: TemplateStringsArray, values: readonly (Parameter | Fragment)[]): string {
  const known = texts.get(strings);
  if (known !== undefined) return known;
  let text = strings[0] ?? '';
  let count = 0;
  for (const [index, value] of values.entries()) {
    if (isFragment(value)) text += value.text;
    else {
      count += 1;
      text += `$${count}`;
    }
    text += strings[index + 1] ?? '';
  }
  texts.set(strings, text);
  return text;
}

class Statement extends SQL {
  readonly #query: Query;

  constructor(query: Query) {
    super([]);
    this.#query = query;
  }

  override toQuery(): Query {
    return this.#query;
  }
}

/**
 * A whole statement written by hand. Its text is put together once for each place in the program, where drizzle's `sql` and
 * its builder do so at every run, which costs more than sending it. It stands alone: it cannot be part of another one, and a
 * {@link Fragment} in it has to be the same at every run.
 */
export function statement(
  strings: TemplateStringsArray,
  ...values: readonly (Parameter | Fragment)[]
): SQLWrapper {
  const params = values.filter((value) => !isFragment(value));
  return new Statement({ sql: textOf(strings, values), params });
}
