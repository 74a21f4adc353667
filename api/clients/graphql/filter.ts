import { isLike } from './like.ts';
import type { FolderRow } from './row.ts';
import { readTokens, refuseFilter, type Token, type TokenReader } from './tokens.ts';

/** Columns that a filter or an order may name. */
const columns = [
  'id',
  'host',
  'name',
  'user',
  'group',
  'creator',
  'usage_mode',
  'permission',
  'ownership_type',
  'created_at',
  'max_size',
  'max_files',
  'num_files',
  'cur_size',
  'cloneable',
  'status',
] as const satisfies readonly (keyof FolderRow)[];

/** One of {@link columns}. */
export type Column = (typeof columns)[number];

/** Tells whether a folder is wanted. */
export type Test = (row: FolderRow) => boolean;

type Value = string | number | boolean | null;

/** Nesting of parentheses beyond which a filter is refused. */
const depthMax = 20;

/** Reads the name of a column; anything else is `undefined`. */
export function columnOf(name: string): Column | undefined {
  return columns.find((column) => column === name);
}

/** The words by which clients name values that the wire has in another form. */
const synonyms: ReadonlyMap<string, string> = new Map([
  ['read_only', 'ro'],
  ['read_write', 'rw'],
  ['rw_delete', 'wd'],
  ['owner_perm', 'wd'],
]);
const wordColumns: ReadonlySet<Column> = new Set(['permission', 'ownership_type', 'usage_mode', 'status']);

/** Words of ours compare in one spelling, so that `READY` finds `ready`; ids may have dashes or not. */
function comparable(column: Column, value: Value): Value {
  if (typeof value !== 'string') return value;
  if (wordColumns.has(column)) {
    const word = value.toLowerCase().replaceAll('-', '_');
    return synonyms.get(word) ?? word;
  }
  return column === 'id' || column === 'user' ? value.toLowerCase().replaceAll('-', '') : value;
}

const constants: ReadonlyMap<string, Value> = new Map<string, Value>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

function toValue({ kind, value }: Token): Value {
  if (kind === 'text') return value;
  if (kind === 'number') return Number(value);
  const constant = constants.get(value.toLowerCase());
  if (kind !== 'word' || constant === undefined) refuseFilter(`"${value}" is no value`);
  return constant;
}

function isBelow(left: Value, right: Value): boolean {
  if (typeof left === 'number' && typeof right === 'number') return left < right;
  return typeof left === 'string' && typeof right === 'string' && left < right;
}

const comparisons: Readonly<Record<string, (left: Value, right: Value) => boolean>> = {
  '==': (left, right) => left === right,
  is: (left, right) => left === right,
  '!=': (left, right) => left !== right,
  isnot: (left, right) => left !== right,
  '<': isBelow,
  '>': (left, right) => isBelow(right, left),
  '<=': (left, right) => left === right || isBelow(left, right),
  '>=': (left, right) => left === right || isBelow(right, left),
  like: (left, right) => isLike(String(left), String(right)),
  ilike: (left, right) => isLike(String(left).toLowerCase(), String(right).toLowerCase()),
  contains: (left, right) => String(left).includes(String(right)),
};

function readList(reader: TokenReader): Value[] {
  if (!reader.take('[')) refuseFilter('"in" needs a list in brackets');
  const values: Value[] = [];
  while (!reader.take(']')) {
    values.push(toValue(reader.next()));
    if (!reader.take(',') && reader.peek()?.value !== ']') refuseFilter('a list needs commas');
  }
  return values;
}

function readComparison(reader: TokenReader): Test {
  const name = reader.next();
  const column = name.kind === 'word' ? columnOf(name.value) : undefined;
  if (column === undefined) refuseFilter(`"${name.value}" is no column`);
  const operator = reader.next().value.toLowerCase();
  if (operator === 'in') {
    const wanted = new Set(readList(reader).map((value) => comparable(column, value)));
    return (row) => wanted.has(comparable(column, row[column]));
  }
  const compare = Object.hasOwn(comparisons, operator) ? comparisons[operator] : undefined;
  if (compare === undefined) refuseFilter(`"${operator}" is no operator`);
  const value = comparable(column, toValue(reader.next()));
  return (row) => compare(comparable(column, row[column]), value);
}

function readTerm(reader: TokenReader, depth: number): Test {
  if (!reader.take('(')) return readComparison(reader);
  if (depth >= depthMax) refuseFilter('it is nested too deep');
  const inner = readAny(reader, depth + 1);
  if (!reader.take(')')) refuseFilter('a parenthesis is not closed');
  return inner;
}

function readAll(reader: TokenReader, depth: number): Test {
  const tests = [readTerm(reader, depth)];
  while (reader.take('&')) tests.push(readTerm(reader, depth));
  return (row) => tests.every((test) => test(row));
}

function readAny(reader: TokenReader, depth: number): Test {
  const tests = [readAll(reader, depth)];
  while (reader.take('|')) tests.push(readAll(reader, depth));
  return (row) => tests.some((test) => test(row));
}

/**
 * Reads the filter language of published clients: `name ilike "%a%" & (permission in ["ro", "rw"] | num_files > 3)`;
 * `&` binds before `|`.
 * @throws Error with a sentence for the caller
 */
export function parseFilter(filter: string): Test {
  const reader = readTokens(filter);
  const test = readAny(reader, 0);
  if (reader.peek() !== undefined) refuseFilter(`"${reader.peek()?.value}" comes after its end`);
  return test;
}

/**
 * Reads an order such as `-created_at,+name`; equal folders stay in the order they have.
 * @throws Error with a sentence for the caller
 */
export function parseOrder(order: string): (left: FolderRow, right: FolderRow) => number {
  // A column that comes again decides nothing, and all of them are compared for each pair of equal folders.
  const parts = order.split(',', columns.length + 1);
  if (parts.length > columns.length) {
    throw new Error(`The order is not understood: it names more than ${columns.length} columns.`);
  }
  const keys = parts.map((part) => {
    const [, sign, name = ''] = /^([+-]?)\s*(\w+)$/.exec(part.trim()) ?? [];
    const column = columnOf(name);
    if (column === undefined) throw new Error(`The order is not understood: "${part.trim()}" is no column.`);
    return { column, direction: sign === '-' ? -1 : 1 };
  });
  return (left, right) => {
    for (const { column, direction } of keys) {
      if (isBelow(left[column], right[column])) return -direction;
      if (isBelow(right[column], left[column])) return direction;
    }
    return 0;
  };
}
