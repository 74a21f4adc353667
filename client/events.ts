/** One server-sent event. */
export interface ServerEvent {
  /** `message` unless the event names itself. */
  readonly name: string;
  readonly data: string;
  /** The last id that was sent, with this event or before it; empty before the first. */
  readonly id: string;
}

/** What one event may take of memory; a stream that sends more at a stretch is none of ours. */
const eventCharactersMax = 16 * 1024 * 1024;

/** Lines as they come, each without its end: CR, LF, or both (HTML, "server-sent events", 9.2.6). */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    if (rest.length > eventCharactersMax) throw new Error('An event is too long.');
    // A CR at the end may be half of the end of a line.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

/** The lines of one event, without the empty one at its end. */
async function* blocksOf(lines: AsyncIterable<string>): AsyncGenerator<readonly string[]> {
  let block: string[] = [];
  for await (const line of lines) {
    if (line !== '') block.push(line);
    else {
      yield block;
      block = [];
    }
  }
}

/** Values of one field, as sent; one space after the colon is not part of them. */
function valuesOf(block: readonly string[], field: string): string[] {
  return block
    .filter((line) => line === field || line.startsWith(`${field}:`))
    .map((line) => line.slice(field.length + 1).replace(/^ /, ''));
}

/** Reads server-sent events; an event that was not sent whole is not told. Ends, or fails, as `chunks` does. */
export async function* readEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  let id = '';
  for await (const block of blocksOf(linesOf(chunks))) {
    id = valuesOf(block, 'id').findLast((value) => !value.includes('\0')) ?? id;
    const data = valuesOf(block, 'data');
    const name = valuesOf(block, 'event').at(-1) || 'message';
    if (data.length > 0) yield { name, data: data.join('\n'), id };
  }
}
