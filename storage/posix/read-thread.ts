import { serveBatches } from '../threads/serve-batches.ts';
import { readEntry } from './read-entry.ts';

/** The script of a thread that opens and reads files. It gets descriptors of folders and names below them. */
serveBatches(readEntry);
