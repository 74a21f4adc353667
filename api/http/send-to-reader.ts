import { type ReadAnswer, type ReaderWatch, watchReader } from './watch-reader.ts';

/**
 * Has `write` hand over a body under a watch on its reader, and ends the answer. An answer that cannot be completed is cut: the
 * connection is destroyed, never ended as if whole.
 * @returns whether the whole body was handed over; false when the reader or the answer's signal ended it
 * @throws what `write` fails with, after cutting
 */
export async function sendToReader(
  answer: ReadAnswer,
  write: (reader: ReaderWatch) => Promise<void>,
): Promise<boolean> {
  const { outgoing } = answer;
  const reader = watchReader(answer);
  try {
    reader.signal.throwIfAborted();
    await write(reader);
    if (!outgoing.writableEnded) outgoing.end();
    if (!outgoing.writableFinished) await reader.wait('finish');
    return true;
  } catch (error) {
    outgoing.destroy();
    if (reader.signal.aborted) return false;
    throw error;
  } finally {
    reader.end();
  }
}
