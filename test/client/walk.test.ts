import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import { openClient } from '../../client/client.ts';
import { compareWalked } from '../../client/walk.ts';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A service whose listings break off behind so many lines, once each, and then end. */
async function listAs(lines: readonly object[], breaks: readonly number[]): Promise<string> {
  const left = [...breaks];
  server = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
    const count = left.shift();
    const text = lines.slice(0, count).map((line) => `${JSON.stringify(line)}\n`);
    if (count === undefined) return void response.end(text.join(''));
    response.write(`${text.join('')}{"path":"half a li`, () => response.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : '';
}

async function walk(url: string) {
  const client = openClient({ url, credentials: { kind: 'none' }, userAgent: 'test' });
  const paths: string[] = [];
  let omitted = 0;
  const onOmitted = (entries: number): void => {
    omitted += entries;
  };
  for await (const { path } of client.files.walk({ folder: 'f', path: '' }, { onOmitted })) paths.push(path);
  return { paths, omitted };
}

const entry = (path: string) => ({ path, type: 'file', size: 1, mode: '-', modified: '', created: '' });

it('a listing that breaks off goes on behind what was handed out, each entry once', async () => {
  const paths = ['a', 'a/b', 'a/b/c', 'a-b', 'ab', 'B', 'é', '名'].toSorted(compareWalked);
  const url = await listAs(paths.map(entry), [0, 3, 3, 6]);
  expect((await walk(url)).paths).toEqual(paths);
});

it('entries that could not be named are counted', async () => {
  const url = await listAs([entry('a'), { omitted: 3 }, { path: 'l', type: 'other', reason: 'symlink' }], []);
  expect(await walk(url)).toEqual({ paths: ['a', 'l'], omitted: 3 });
});

it('a directory that could not be entered is handed out again with the reason', async () => {
  const directory = { ...entry('d'), type: 'directory' };
  const unreadable = { path: 'd', type: 'other', reason: 'unreadable' };
  expect((await walk(await listAs([directory, unreadable, entry('e')], []))).paths).toEqual(['d', 'd', 'e']);
});

it('directories come before what is in them, and names by their bytes', () => {
  const paths = ['a', 'a/b', 'a/b/c', 'a-b', 'ab', 'z', '\u{ffff}', '\u{10000}'];
  expect(paths.toReversed().toSorted(compareWalked)).toEqual(paths);
});

it('a listing that makes no sense is refused', async () => {
  await expect(walk(await listAs([{ nonsense: 1 }], []))).rejects.toThrow(/does not list/);
});
