import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { repositoryRoot } from './repository.ts';

const reportSchema = z.object({
  diagnostics: z.array(
    z.object({
      category: z.string(),
      message: z.string(),
      advices: z.unknown(),
      location: z.object({ path: z.string() }),
    }),
  ),
});

/** One complaint of the linter: the rule (`lint/style/noRestrictedImports`) and all of its text. */
export interface Complaint {
  readonly rule: string;
  readonly text: string;
}

async function runBiome(directory: string): Promise<string> {
  const program = join(repositoryRoot, 'node_modules/@biomejs/biome/bin/biome');
  const args = [program, 'lint', '--reporter=json', '--max-diagnostics=none', '.'];
  return await new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      args,
      { cwd: directory, maxBuffer: 64 * 1024 ** 2 },
      (error, stdout, stderr) => {
        // Exit code 1 means that something was found; without a report the program itself failed.
        if (stdout.startsWith('{')) resolve(stdout);
        else reject(new Error(`Biome gave no report: ${stderr}`, { cause: error }));
      },
    );
  });
}

/**
 * Lints `files` (path → text) with the project's own configuration, in a directory of their own outside the project.
 * Answers the complaints by path; a file without one is absent.
 */
export async function lintPlanted(
  files: Readonly<Record<string, string>>,
): Promise<ReadonlyMap<string, readonly Complaint[]>> {
  const directory = await mkdtemp(join(tmpdir(), 'vfolder-tidy-'));
  try {
    for (const name of ['biome.json', 'package.json', 'scripts/lint', '.gitignore']) {
      await cp(join(repositoryRoot, name), join(directory, name), { recursive: true });
    }
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await writeFile(join(directory, path), text);
    }
    const report = reportSchema.parse(JSON.parse(await runBiome(directory)));
    const found = new Map<string, Complaint[]>();
    for (const { category, message, advices, location } of report.diagnostics) {
      const text = `${message} ${JSON.stringify(advices)}`;
      found.set(location.path, [...(found.get(location.path) ?? []), { rule: category, text }]);
    }
    return found;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
