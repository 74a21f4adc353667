/** Longest text worth keeping: longer ones hold lists of values and hardly come again. */
const textCharsMax = 8_192;
/** A text is kept from this use on, so that what is asked once takes no memory of the server. */
const usesMin = 3;
/** Texts kept at most; each takes some 10 KiB on every connection. */
const keptMax = 256;
/** Texts whose uses are counted at a time. */
const countedMax = 1_024;

/** Says which statements are worth keeping prepared. */
export interface PreparedTexts {
  /** Counts a use. @returns whether the statement is to be kept */
  use(text: string): boolean;
}

/** Starts with none. Bounded: statements cannot be forgotten on a connection, so the first ones that come again win. */
export function createPreparedTexts(): PreparedTexts {
  const kept = new Set<string>();
  const counted = new Map<string, number>();
  return {
    use(text) {
      if (kept.has(text)) return true;
      if (kept.size >= keptMax || text.length > textCharsMax) return false;
      const uses = (counted.get(text) ?? 0) + 1;
      counted.delete(text);
      if (uses >= usesMin) {
        kept.add(text);
        return true;
      }
      counted.set(text, uses);
      const [oldest] = counted.keys();
      if (counted.size > countedMax && oldest !== undefined) counted.delete(oldest);
      return false;
    },
  };
}

/**
 * Makes a driver's client, and the transactions it begins, keep the statements that come again. drizzle asks the driver to
 * prepare nothing; a statement with parameters then takes two round trips and is parsed and planned each time.
 * Statements without parameters may hold several commands and are left alone.
 */
export function withPreparedStatements<T extends object>(client: T, texts = createPreparedTexts()): T {
  return new Proxy(client, {
    get(target, name, receiver) {
      const value: unknown = Reflect.get(target, name, receiver);
      if (typeof value !== 'function') return value;
      if (name === 'unsafe') {
        return (text: string, values: readonly unknown[] = [], options: object = {}) => {
          const prepare = values.length > 0 && texts.use(text);
          return Reflect.apply(value, target, [text, values, { ...options, prepare }]);
        };
      }
      if (name !== 'begin' && name !== 'savepoint') return value;
      return (...given: readonly unknown[]) =>
        Reflect.apply(
          value,
          target,
          given.map((argument) =>
            typeof argument === 'function'
              ? (inner: object) => argument(withPreparedStatements(inner, texts))
              : argument,
          ),
        );
    },
  });
}
