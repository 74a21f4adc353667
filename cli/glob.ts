import { usageError } from './exit-codes.ts';

/** A step of a pattern: any number of characters, or one that is accepted. */
type Token = 'any' | ((character: string) => boolean);

/** `\x`, a set in brackets (a closing one that comes first is a member), or any one character. */
const tokenForm = /\\(?<escaped>.)|\[(?<not>[!^]?)(?<set>\]?[^\]]*)\]|(?<plain>.)/gsu;

function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0;
}

function parseSet(text: string, isNegated: boolean): Token {
  const ranges = [...text.matchAll(/(.)-(.)|(.)/gsu)].map(([, from, to, one]) => ({
    from: codeOf(from ?? one ?? ''),
    to: codeOf(to ?? one ?? ''),
  }));
  return (character) => {
    const code = codeOf(character);
    return ranges.some(({ from, to }) => from <= code && code <= to) !== isNegated;
  };
}

function parseGlob(glob: string): Token[] {
  return [...glob.matchAll(tokenForm)].map(({ groups = {} }) => {
    const { escaped, not, set, plain } = groups;
    if (set !== undefined) return parseSet(set, not !== '');
    if (plain === '*') return 'any';
    if (plain === '?') return () => true;
    if (plain === '[') throw usageError(`"${glob}" has a "[" without its "]"; write \\[ for the character.`);
    return (character) => character === (escaped ?? plain);
  });
}

/** The places in a pattern that are reached without another character: stars may stand for nothing. */
function settle(tokens: readonly Token[], places: ReadonlySet<number>): Set<number> {
  const all = new Set(places);
  // A set is walked in the order of insertion, what is added on the way included.
  for (const place of all) if (tokens[place] === 'any') all.add(place + 1);
  return all;
}

function step(tokens: readonly Token[], places: ReadonlySet<number>, character: string): Set<number> {
  const next = new Set<number>();
  for (const place of places) {
    const token = tokens[place];
    if (token === 'any') next.add(place);
    else if (token?.(character) === true) next.add(place + 1);
  }
  return settle(tokens, next);
}

/**
 * Reads a pattern of the shell for whole names: `*`, `?`, `[a-z]`, `[!a-z]`, and `\` before a character that means itself.
 * Matching takes at most the product of both lengths. @throws a usage error
 */
export function compileGlob(glob: string): (name: string) => boolean {
  const tokens = parseGlob(glob);
  return (name) => {
    let places = settle(tokens, new Set([0]));
    for (const character of name) places = step(tokens, places, character);
    return places.has(tokens.length);
  };
}
