/** One piece of a filter. `text` was quoted, `word` was not. */
export interface Token {
  readonly kind: 'mark' | 'text' | 'number' | 'word';
  readonly value: string;
}

/** Tokens to be taken one after the other. */
export interface TokenReader {
  /** The next token without taking it; `undefined` at the end. */
  peek(): Token | undefined;
  /** Takes the next token if it is this mark. @returns whether it was */
  take(mark: string): boolean;
  /** Takes whatever comes next. @throws Error at the end */
  next(): Token;
}

const filterCharactersMax = 4_000;
const form = /\s*(?:(==|!=|<=|>=|[<>&|()[\],])|"((?:\\.|[^"\\])*)"|([+-]?\d+(?:\.\d+)?)|([A-Za-z_]\w*))/y;

/** The refusal of a filter; GraphQL shows its message. */
export function refuseFilter(detail: string): never {
  throw new Error(`The filter is not understood: ${detail}.`);
}

function toToken([, mark, text, number, word = '']: RegExpExecArray): Token {
  if (mark !== undefined) return { kind: 'mark', value: mark };
  if (text !== undefined) return { kind: 'text', value: text.replace(/\\(.)/gs, '$1') };
  return number === undefined ? { kind: 'word', value: word } : { kind: 'number', value: number };
}

function tokensOf(filter: string): Token[] {
  if (filter.length > filterCharactersMax) refuseFilter('it is too long');
  const pattern = new RegExp(form);
  const end = filter.trimEnd().length;
  const tokens: Token[] = [];
  while (pattern.lastIndex < end) {
    const at = pattern.lastIndex;
    const match = pattern.exec(filter);
    if (match === null) refuseFilter(`it makes no sense from character ${at + 1} on`);
    tokens.push(toToken(match));
  }
  return tokens;
}

/** Takes a filter apart. @throws Error when it holds what is no token */
export function readTokens(filter: string): TokenReader {
  const tokens = tokensOf(filter);
  let at = 0;
  return {
    peek: () => tokens[at],
    take: (mark) => {
      const isThere = tokens[at]?.kind === 'mark' && tokens[at]?.value === mark;
      if (isThere) at += 1;
      return isThere;
    },
    next: () => {
      const token = tokens[at];
      if (token === undefined) refuseFilter('it ends too early');
      at += 1;
      return token;
    },
  };
}
