import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CliError, exitCodes } from '../exit-codes.ts';
import { makeDirectories, writingTo } from '../local-failure.ts';

const lineSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('done'), path: z.string(), version: z.string() }),
  z.object({ kind: z.literal('begun'), path: z.string(), version: z.string(), at: z.string() }),
]);

/** Which state of a file a line is about: another size or time is another file. */
export type Version = string;

/** What an interrupted transfer has done, so that the same command goes on there. */
export interface Journal {
  isDone(path: string, version: Version): boolean;
  /** Where the transfer of a file was begun; `undefined` for another version of it. */
  begunAt(path: string, version: Version): string | undefined;
  done(path: string, version: Version): Promise<void>;
  begun(path: string, version: Version, at: string): Promise<void>;
  /** Ends it. A transfer that is complete, or was refused before anything was done, needs no journal, and so leaves none. */
  close(options: { readonly isComplete: boolean }): Promise<void>;
}

type Lines = z.infer<typeof lineSchema>[];

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process is alive, too.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Two runs of one command would write the same files. @throws CliError when another one is at it */
async function lock(path: string): Promise<() => Promise<void>> {
  for (let triesLeft = 2; triesLeft > 0; triesLeft -= 1) {
    try {
      const file = await open(path, 'wx', 0o600);
      await file.writeFile(String(process.pid));
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      const pid = Number(await readFile(path, 'utf8').catch(() => ''));
      if (pid > 0 && isAlive(pid)) {
        throw new CliError(exitCodes.conflict, `The same transfer is running already (process ${pid}).`);
      }
      await rm(path, { force: true });
    }
  }
  throw new CliError(exitCodes.conflict, 'The same transfer is starting already.');
}

/** A line that was cut off by a crash says nothing. */
function parseLines(text: string): Lines {
  return text.split('\n').flatMap((line) => {
    try {
      const parsed = lineSchema.safeParse(JSON.parse(line));
      return parsed.success ? [parsed.data] : [];
    } catch {
      return [];
    }
  });
}

function toJournal(
  { file, path }: { readonly file: FileHandle; readonly path: string },
  lines: Lines,
  end: (state: { readonly isNeeded: boolean }) => Promise<void>,
): Journal {
  const doneVersions = new Map<string, Version>();
  const begun = new Map<string, { readonly version: Version; readonly at: string }>();
  for (const line of lines) {
    if (line.kind === 'done') doneVersions.set(line.path, line.version);
    else begun.set(line.path, line);
  }
  let writing = Promise.resolve();
  let isEmpty = lines.length === 0;
  const append = (line: Lines[number]): Promise<void> => {
    isEmpty = false;
    writing = writing.then(() => writingTo(path, () => file.appendFile(`${JSON.stringify(line)}\n`)));
    return writing;
  };
  return {
    isDone: (path, version) => doneVersions.get(path) === version,
    begunAt: (path, version) => {
      const found = begun.get(path);
      return found?.version === version ? found.at : undefined;
    },
    done: (path, version) => append({ kind: 'done', path, version }),
    begun: (path, version, at) => append({ kind: 'begun', path, version, at }),
    close: async ({ isComplete }) => {
      await writing.catch(() => undefined);
      await file.close();
      await end({ isNeeded: !isComplete && !isEmpty });
    },
  };
}

async function openLines(
  path: string,
  { isFresh }: { readonly isFresh: boolean },
): Promise<{ readonly file: FileHandle; readonly lines: Lines }> {
  if (isFresh) await rm(path, { force: true });
  const lines = parseLines(await readFile(path, 'utf8').catch(() => ''));
  return { file: await open(path, 'a', 0o600), lines };
}

/**
 * Opens the journal of a transfer, which is known by all of `identity`. With `isFresh` what an earlier run noted is
 * forgotten. @throws CliError when the same transfer is running, or its file cannot be written, as does what is noted in it
 */
export async function openJournal(
  stateDir: string,
  identity: readonly string[],
  { isFresh }: { readonly isFresh: boolean },
): Promise<Journal> {
  const directory = join(stateDir, 'transfers');
  const name = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 32);
  const path = join(directory, `${name}.jsonl`);
  const unlock = await writingTo(path, async () => {
    await makeDirectories(directory, 0o700);
    return await lock(join(directory, `${name}.lock`));
  });
  const { file, lines } = await writingTo(path, () => openLines(path, { isFresh })).catch(
    async (error: unknown) => {
      await unlock();
      throw error;
    },
  );
  return toJournal({ file, path }, lines, async ({ isNeeded }) => {
    if (!isNeeded) await rm(path, { force: true });
    await unlock();
  });
}
