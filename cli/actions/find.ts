import type { VFolderClient } from '../../client/client.ts';
import type { Place } from '../../client/files.ts';
import type { Entry, Walked } from '../../client/models.ts';
import { baseName, formatPlace, joinPath, parsePlace } from '../address.ts';
import { CliError, exitCodes, usageError } from '../exit-codes.ts';
import { compileGlob } from '../glob.ts';
import type { Action, Invocation } from '../invocation.ts';
import { parseMoment } from '../moment.ts';
import { openListPrinter } from '../output.ts';
import { openSession } from '../session.ts';
import { parseBytes, parseWhole } from '../sizes.ts';
import { printable } from '../terminal.ts';
import { sizeFormat } from './folders.ts';

type Test = (entry: Walked) => boolean;

const kinds: Readonly<Record<string, string>> = { f: 'file', d: 'directory' };

function kindTest(text: string): Test {
  const kind = kinds[text];
  if (kind === undefined) throw usageError('--type must be f for files or d for directories.');
  return ({ type }) => type === kind;
}

function nameTest(text: string): Test {
  const matches = compileGlob(text);
  return ({ path }) => matches(baseName(path));
}

function sizeTest(text: string, option: string, isWanted: (size: number, bound: number) => boolean): Test {
  const bound = parseBytes(text, option);
  return ({ type, size }) => type === 'file' && isWanted(size, bound);
}

/** What cannot be looked at has no time. */
function timeTest(text: string, option: string, isWanted: (time: number, bound: number) => boolean): Test {
  const bound = Date.parse(parseMoment(text, option));
  return ({ modified }) => modified !== '' && isWanted(Date.parse(modified), bound);
}

const tests: Readonly<Record<string, (text: string, option: string) => Test>> = {
  name: nameTest,
  type: kindTest,
  larger: (text, option) => sizeTest(text, option, (size, bound) => size > bound),
  smaller: (text, option) => sizeTest(text, option, (size, bound) => size < bound),
  newer: (text, option) => timeTest(text, option, (time, bound) => time > bound),
  older: (text, option) => timeTest(text, option, (time, bound) => time < bound),
};

/** All that is asked for has to hold. */
function readTest(invocation: Invocation): Test {
  const wanted = Object.entries(tests).flatMap(([option, make]) => {
    const text = invocation.text(option);
    return text === undefined ? [] : [make(text, option)];
  });
  return (entry) => wanted.every((test) => test(entry));
}

/** Looks below directories for what has all the properties asked for. */
export const find: Action = async (invocation) => {
  const places = invocation.args.map(parsePlace);
  const isWanted = readTest(invocation);
  const { terminal } = invocation;
  const { client } = await openSession(invocation);
  const bytes = sizeFormat(invocation);
  const isLong = invocation.flag('long');
  const show = terminal.stdout.isTTY === true ? printable : (text: string) => text;
  const printer = openListPrinter<Walked & Place>(terminal, invocation.form(), {
    line: (item) => {
      const path = show(formatPlace(item));
      if (!isLong) return path;
      const size = item.type === 'file' ? bytes(item.size) : '';
      return `${item.mode.padEnd(10)}  ${size.padStart(10)}  ${item.modified.padEnd(24)}  ${path}`;
    },
    name: formatPlace,
  });
  let omitted = 0;
  const { signal } = terminal;
  const onOmitted = (entries: number): void => {
    omitted += entries;
  };
  for (const place of places) {
    for await (const entry of client.files.walk(place, { signal, onOmitted })) {
      if (isWanted(entry)) await printer.add({ folder: place.folder, ...entry });
    }
  }
  await printer.end();
  if (omitted > 0) throw new CliError(exitCodes.partly, `${omitted} entries could not be looked at.`);
};

/** An entry of a directory, and whether another one follows. */
interface Branch {
  readonly entry: Entry;
  readonly isLast: boolean;
}

async function* branchesOf(client: VFolderClient, place: Place): AsyncGenerator<Branch> {
  let held: Entry | undefined;
  for await (const entry of client.files.list(place)) {
    if (held !== undefined) yield { entry: held, isLast: false };
    held = entry;
  }
  if (held !== undefined) yield { entry: held, isLast: true };
}

interface Drawn extends Place {
  readonly depth: number;
  readonly type: string;
  readonly size: number;
  readonly modified: string;
}

interface Drawing {
  readonly client: VFolderClient;
  readonly depthMax: number;
  readonly add: (item: Drawn, line: string) => Promise<void>;
}

/** One directory of each level is open at a time, so memory grows with the depth alone. */
async function draw(
  drawing: Drawing,
  place: Place,
  above: { readonly depth: number; readonly indent: string },
): Promise<void> {
  const depth = above.depth + 1;
  for await (const { entry, isLast } of branchesOf(drawing.client, place)) {
    const isDirectory = entry.type === 'directory';
    const path = joinPath(place.path, entry.name);
    const { type, size, modified } = entry;
    const name = `${printable(entry.name)}${isDirectory ? '/' : ''}`;
    const item = { folder: place.folder, path, depth, type, size, modified };
    await drawing.add(item, `${above.indent}${isLast ? '└── ' : '├── '}${name}`);
    if (!isDirectory || !entry.is_addressable || depth >= drawing.depthMax) continue;
    const indent = `${above.indent}${isLast ? '    ' : '│   '}`;
    await draw(drawing, { folder: place.folder, path }, { depth, indent });
  }
}

const depthMost = 100_000;

/** Draws what is below a directory. */
export const tree: Action = async (invocation) => {
  const place = parsePlace(invocation.arg(0));
  const level = invocation.text('level');
  const depthMax = level === undefined ? depthMost : parseWhole(level, 'level', [1, depthMost]);
  const { client } = await openSession(invocation);
  const form = invocation.form();
  const printer = openListPrinter<{ readonly item: Drawn; readonly line: string }>(
    invocation.terminal,
    form,
    {
      line: ({ line }) => line,
      name: ({ item }) => formatPlace(item),
      json: ({ item }) => item,
    },
  );
  const sum = { files: 0, directories: 0 };
  const add = async (item: Drawn, line: string): Promise<void> => {
    if (item.type === 'directory') sum.directories += 1;
    else sum.files += 1;
    await printer.add({ item, line });
  };
  if (form === 'table') await printer.write(`${printable(formatPlace(place))}\n`);
  await draw({ client, depthMax, add }, place, { depth: 0, indent: '' });
  if (form === 'table') {
    const { directories, files } = sum;
    await printer.write(
      `\n${directories} ${directories === 1 ? 'directory' : 'directories'}, ${files} ${files === 1 ? 'file' : 'files'}\n`,
    );
  }
  await printer.end();
};
