import { execFileSync } from 'node:child_process';

/** Whether libraries to be preloaded can be compiled here. */
export function hasCompiler(): boolean {
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' });
    return process.platform === 'linux';
  } catch {
    return false;
  }
}
