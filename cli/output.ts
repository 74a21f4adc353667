import { usageError } from './exit-codes.ts';
import { printable, type Terminal, writeOut } from './terminal.ts';

/** The forms of data on stdout. */
export const outputForms = ['table', 'json', 'jsonl', 'name'] as const;

/** One of {@link outputForms}. */
export type OutputForm = (typeof outputForms)[number];

/** A column of a table: its heading and what stands in it. `end` lines numbers up at their ends. */
export interface Column<T> {
  readonly title: string;
  readonly cell: (item: T) => string;
  readonly align?: 'end';
}

/** How a list is shown: as a table, or by one name each. Machines get the items as the service gave them. */
export interface View<T> {
  readonly columns: readonly Column<T>[];
  readonly name: (item: T) => string;
}

/** Reads the form asked for. @throws a usage error */
export function parseForm(text: string): OutputForm {
  const form = outputForms.find((known) => known === text);
  if (form === undefined)
    throw usageError(`--output must be one of ${outputForms.join(', ')}, not "${text}".`);
  return form;
}

/** Columns are as wide as their widest cell; the last one is as it is. */
export function formatTable<T>(items: readonly T[], columns: readonly Column<T>[]): string {
  const rows = [
    columns.map(({ title }) => title),
    ...items.map((item) => columns.map(({ cell }) => printable(cell(item)))),
  ];
  const widths = columns.map((_, at) => Math.max(...rows.map((row) => displayWidth(row[at] ?? ''))));
  return rows
    .map((row) =>
      row
        .map((text, at) => {
          const padding = ' '.repeat(Math.max(0, (widths[at] ?? 0) - displayWidth(text)));
          if (columns[at]?.align === 'end') return `${padding}${text}`;
          return at === columns.length - 1 ? text : `${text}${padding}`;
        })
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const zero = /\p{Mn}|\p{Me}|\p{Cf}/u;

/** Columns that text takes on a terminal: East Asian characters take two, combining marks none. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    if (zero.test(character)) continue;
    width += wide.test(character) ? 2 : 1;
  }
  return width;
}

/** Prints a list in the form asked for. */
export async function printList<T>(
  terminal: Terminal,
  form: OutputForm,
  items: readonly T[],
  view: View<T>,
): Promise<void> {
  if (form === 'json') return writeOut(terminal, `${JSON.stringify(items, null, 2)}\n`);
  if (form === 'jsonl') return writeOut(terminal, items.map((item) => `${JSON.stringify(item)}\n`).join(''));
  if (form === 'name') return writeOut(terminal, items.map((item) => `${view.name(item)}\n`).join(''));
  if (items.length > 0) await writeOut(terminal, formatTable(items, view.columns));
}

/** Prints one thing: its fields one below the other, or as JSON. */
export async function printOne<T extends object>(
  terminal: Terminal,
  form: OutputForm,
  item: T,
  view: { readonly name: string; readonly fields: readonly (readonly [title: string, value: string])[] },
): Promise<void> {
  if (form === 'json') return writeOut(terminal, `${JSON.stringify(item, null, 2)}\n`);
  if (form === 'jsonl') return writeOut(terminal, `${JSON.stringify(item)}\n`);
  if (form === 'name') return writeOut(terminal, `${view.name}\n`);
  const width = Math.max(...view.fields.map(([title]) => title.length));
  const lines = view.fields.map(([title, value]) => `${title.padEnd(width)}  ${printable(value)}\n`);
  await writeOut(terminal, lines.join(''));
}

/** Characters that are gathered before they are written. */
const gatheredCharacters = 16 * 1024;

/** Prints a list while it is being found, in memory that does not grow with it. */
export interface ListPrinter<T> {
  add(item: T): Promise<void>;
  /** Text between items, for people. */
  write(text: string): Promise<void>;
  /** Ends the list and writes what is gathered. */
  end(): Promise<void>;
}

/** What a streamed list shows of an item: a line for people, its name, and, for machines, the item unless `json` says else. */
export interface StreamedView<T> {
  readonly line: (item: T) => string;
  readonly name: (item: T) => string;
  readonly json?: (item: T) => unknown;
}

/** Opens a printer in the form asked for. */
export function openListPrinter<T>(
  terminal: Terminal,
  form: OutputForm,
  { line, name, json = (item) => item }: StreamedView<T>,
): ListPrinter<T> {
  let gathered = '';
  let count = 0;
  const textOf = (item: T): string => {
    if (form === 'json') return `${count === 0 ? '[\n' : ',\n'}${JSON.stringify(json(item))}`;
    if (form === 'jsonl') return `${JSON.stringify(json(item))}\n`;
    return `${form === 'name' ? name(item) : line(item)}\n`;
  };
  const flush = async (): Promise<void> => {
    const text = gathered;
    gathered = '';
    if (text !== '') await writeOut(terminal, text);
  };
  const write = async (text: string): Promise<void> => {
    gathered += text;
    if (gathered.length >= gatheredCharacters) await flush();
  };
  return {
    add: async (item) => {
      const text = textOf(item);
      count += 1;
      await write(text);
    },
    write,
    end: async () => {
      if (form === 'json') gathered += count === 0 ? '[]\n' : '\n]\n';
      await flush();
    },
  };
}
