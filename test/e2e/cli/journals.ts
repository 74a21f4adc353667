import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { eventually } from '../../support/eventually.ts';

/** Where the program of a user notes what it transfers. */
export function journalsOf(home: string): string {
  return join(home, '.local', 'state', 'vfolder', 'transfers');
}

/** Resolves once a resumable upload is noted, so that an interruption from then on has something to go on from. */
export async function untilUploadNoted(home: string): Promise<void> {
  const journals = journalsOf(home);
  await eventually(async () => {
    const names = await readdir(journals);
    const texts = await Promise.all(names.map((name) => readFile(join(journals, name), 'utf8')));
    expect(texts.join('')).toContain('/uploads/');
  });
}
