import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** A running process and how it was started. */
export interface ListedProcess {
  readonly pid: number;
  readonly command: string;
}

function readProc(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // It ended since it was listed.
    return '';
  }
}

function childrenInProc(pid: number): ListedProcess[] {
  const tasks = existsSync(`/proc/${pid}/task`) ? readdirSync(`/proc/${pid}/task`) : [];
  return tasks
    .flatMap((task) => readProc(`/proc/${pid}/task/${task}/children`).trim().split(' '))
    .filter((text) => text !== '')
    .map((child) => ({
      pid: Number(child),
      command: readProc(`/proc/${child}/cmdline`).replaceAll('\0', ' ').trim(),
    }));
}

function childrenByPs(pid: number): ListedProcess[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' }).split('\n');
  return lines.flatMap((line) => {
    const [, child, parent, command = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return Number(parent) === pid ? [{ pid: Number(child), command }] : [];
  });
}

/** The direct children of a process that still run, with their command lines. */
export function childrenOf(pid: number): readonly ListedProcess[] {
  const children = existsSync('/proc/self/task') ? childrenInProc(pid) : childrenByPs(pid);
  return children.filter(({ command }) => command !== '');
}
