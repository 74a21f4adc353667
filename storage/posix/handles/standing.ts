import { chdir } from 'node:process';

/**
 * The descriptor of the directory that this process stands in, if it is one of ours. A process has one working
 * directory, so this is module state. Only a process that does nothing else ever stands anywhere: there a name is
 * reached without going through /proc each time, which costs more than half of a call.
 */
let standing: number | null = null;

/** Makes the open directory `fd`, whose path under /proc is given, the working directory: the same handle in another form. */
export function standIn(fd: number, path: string): void {
  if (standing === fd) return;
  standing = null;
  chdir(path);
  standing = fd;
}

/** Whether a single name means one in the directory `fd`. */
export function standsIn(fd: number): boolean {
  return standing === fd;
}

/** Must be told before `fd` is closed, for the number will mean another directory soon. */
export function leave(fd: number): void {
  if (standing === fd) standing = null;
}
