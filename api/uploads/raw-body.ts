import type { IncomingMessage } from 'node:http';
import { readChunks } from '../http/body-chunks.ts';
import type { FilePart } from './multipart.ts';

/** A body that is one file as a whole, for `path`. @throws as {@link readChunks} while its bytes are read */
export async function* readWholeFile(incoming: IncomingMessage, path: string): AsyncGenerator<FilePart> {
  yield { fileName: path, bytes: readChunks(incoming) };
}
