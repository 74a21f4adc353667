import type { LinkedFile } from './tree-part.ts';
import { linkedColumns } from './walker-messages.ts';

/** Inodes held before they are passed on. */
const heldMax = 4096;

/** Files with several names, each held once with how many of its names were met. */
export interface LinkedFiles {
  /** @returns how many names were met by now */
  add(file: LinkedFile, names: bigint): bigint;
  isFull(): boolean;
  /** Empties it into rows of {@link linkedColumns} numbers. */
  takeRows(): BigUint64Array;
}

/** Holds nothing yet. */
export function createLinkedFiles(): LinkedFiles {
  const found = new Map<bigint, { readonly file: LinkedFile; names: bigint }>();
  return {
    add(file, names) {
      const known = found.get(file.inode);
      if (known === undefined) {
        found.set(file.inode, { file, names });
        return names;
      }
      known.names += names;
      return known.names;
    },
    isFull: () => found.size >= heldMax,
    takeRows() {
      const rows = new BigUint64Array(found.size * linkedColumns);
      let offset = 0;
      for (const { file, names } of found.values()) {
        rows.set([file.inode, file.links, file.sizeBytes, names], offset);
        offset += linkedColumns;
      }
      found.clear();
      return rows;
    },
  };
}

/** Reads what {@link LinkedFiles.takeRows} wrote. */
export function* readRows(rows: BigUint64Array): Generator<{ file: LinkedFile; names: bigint }> {
  for (let offset = 0; offset < rows.length; offset += linkedColumns) {
    const [inode, links, sizeBytes, names] = rows.subarray(offset, offset + linkedColumns);
    if (inode === undefined || links === undefined || sizeBytes === undefined || names === undefined) return;
    yield { file: { inode, links, sizeBytes }, names };
  }
}
