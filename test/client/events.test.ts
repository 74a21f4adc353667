import { expect, it } from 'vitest';
import { readEvents, type ServerEvent } from '../../client/events.ts';

async function read(...chunks: (string | Uint8Array)[]): Promise<ServerEvent[]> {
  async function* sent() {
    for (const chunk of chunks) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
  }
  const events: ServerEvent[] = [];
  for await (const event of readEvents(sent())) events.push(event);
  return events;
}

const text =
  'retry: 1000\n\n: comment\n\nid: 1\nevent: progress\ndata: {"a":\ndata:1}\n\ndata: ü\n\ndata: cut';
const expected = [
  { name: 'progress', data: '{"a":\n1}', id: '1' },
  { name: 'message', data: 'ü', id: '1' },
];

it('reads events with their names and ids, and none that was not sent whole', async () => {
  expect(await read(text)).toEqual(expected);
});

it.each(['\n', '\r\n', '\r'])('reads lines that end in %j, wherever the chunks are cut', async (end) => {
  const bytes = Buffer.from(text.replaceAll('\n', end));
  for (let at = 0; at <= bytes.length; at += 1)
    expect(await read(bytes.subarray(0, at), bytes.subarray(at)), `cut at ${at}`).toEqual(expected);
  expect(await read(...[...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(expected);
});

it('takes the last id that is sound, and keeps it over events without one', async () => {
  expect(await read('id: a\nid: b\0\ndata:\n\nid\ndata: x\n\n')).toEqual([
    { name: 'message', data: '', id: 'a' },
    { name: 'message', data: 'x', id: '' },
  ]);
});

it('refuses an event without an end', async () => {
  const chunk = 'x'.repeat(1024 * 1024);
  await expect(read(...Array.from({ length: 17 }, () => chunk))).rejects.toThrow('too long');
});
