import { spawn, spawnSync } from 'node:child_process';

/** Tells whether a program of another package is there to compare with. */
export function hasProgram(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
}

/** Runs a command line in a directory and answers the milliseconds it took. @throws when it fails */
export function runShell(
  command: string,
  directory: string,
  env: Readonly<Record<string, string>> = {},
): Promise<number> {
  const startedAt = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', command], {
      cwd: directory,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code === 0) resolve(performance.now() - startedAt);
      else reject(new Error(`${command}: exit ${code}`));
    });
  });
}

/** Runs a script of ours with the given arguments and answers what it printed. @throws when it fails */
export function runScript(url: URL, args: readonly string[]): string {
  const { status, stdout } = spawnSync(process.execPath, [url.pathname, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`${url.pathname}: exit ${status}`);
  return stdout;
}
