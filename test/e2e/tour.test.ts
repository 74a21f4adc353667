import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findFreePort } from '../support/free-port.ts';
import { rootDir, startProcess, type TestProcess } from '../support/process.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';

function readTour(): string {
  const blocks = [
    ...readFileSync(join(rootDir, 'README.md'), 'utf8').matchAll(/^```sh tour\n([\s\S]*?)^```$/gm),
  ];
  expect(blocks).toHaveLength(1);
  return blocks[0]?.[1] ?? '';
}

function runBash(script: string, options: { cwd: string; env: Record<string, string> }): Promise<string> {
  const env = { PATH: process.env.PATH, TMPDIR: options.cwd, ...options.env };
  return new Promise((resolve, reject) => {
    execFile(
      'bash',
      ['-euo', 'pipefail', '-c', script],
      { cwd: options.cwd, env, timeout: 45_000 },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`The tour failed.\n${stdout}\n${stderr}`, { cause: error }));
      },
    );
  });
}

describe('the tour of the README', () => {
  let dir: TempDir;
  let service: TestProcess;
  let env: Record<string, string>;

  beforeAll(async () => {
    dir = await createTempDir();
    const port = await findFreePort();
    const data = join(dir.path, 'data');
    env = { VFOLDER_URL: `http://127.0.0.1:${port}`, VFOLDER_DATA_DIR: data };
    service = await startProcess({
      program: 'supervisor/main.js',
      env: { PORT: String(port), VFOLDER_DATA_DIR: data },
      ready: new RegExp(`http://127\\.0\\.0\\.1:${port}`),
    });
  });

  afterAll(async () => {
    await service?.stop(30_000);
    await dir?.remove();
  });

  it('runs as printed and shows what it says, and does so again', async () => {
    for (const round of ['first', 'second']) {
      const output = await runBash(readTour(), { cwd: dir.path, env });
      const lines = output.split('\n');
      expect(lines.slice(-2), `${round}: ${output}`).toEqual(['the folder is gone: 204', '']);
      expect(lines).toContain('file numbers.txt');
      expect(lines).toContain('directory results');
      expect(lines).toContain('upload.commit succeeded');
      expect(output).toMatch(/"name":\s*"My Data"/);
    }
  });
});
