import { formatBytes, formatSeconds } from './sizes.ts';
import type { Terminal } from './terminal.ts';

/** How far something is; totals grow while they are being found out. */
export interface ProgressState {
  doneBytes: number;
  totalBytes: number;
  doneFiles: number;
  totalFiles: number;
  /** Those of the done bytes that an earlier run moved; they say nothing about the speed. */
  earlierBytes: number;
}

/** Shows progress on stderr until it is stopped. */
export interface ProgressMeter {
  readonly state: ProgressState;
  /** Prints a line that stays, above the progress. */
  note(line: string): void;
  stop(): void;
}

const drawMs = 100;
const usualLineMs = 10_000;
const speedWindowMs = 5_000;
/** Carriage return, and "erase to the end of the line" (ECMA-48 EL). */
const erase = `\r${String.fromCharCode(27)}[K`;

/** One line: what, how far, how fast, how long still. */
export function formatProgress(
  title: string,
  state: Omit<ProgressState, 'earlierBytes'>,
  bytesPerSecond: number,
): string {
  const { doneBytes, totalBytes, doneFiles, totalFiles } = state;
  // Empty files are done one by one as well.
  const [done, total] = totalBytes === 0 ? [doneFiles, totalFiles] : [doneBytes, totalBytes];
  const percent = total === 0 ? undefined : Math.min(100, Math.floor((done / total) * 100));
  const left = totalBytes - doneBytes;
  // All is sent, and the service is still at it: a large file is joined and hashed before it is shown.
  const isSettling = totalBytes > 0 && left <= 0 && doneFiles < totalFiles;
  return [
    title,
    percent === undefined ? undefined : `${percent} %`,
    totalBytes === 0 ? formatBytes(doneBytes) : `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`,
    totalFiles > 1 ? `${doneFiles} of ${totalFiles} files` : undefined,
    bytesPerSecond > 0 && !isSettling ? `${formatBytes(bytesPerSecond)}/s` : undefined,
    isSettling ? 'being put in place' : undefined,
    bytesPerSecond > 0 && left > 0 ? `${formatSeconds(left / bytesPerSecond)} left` : undefined,
  ]
    .filter((part) => part !== undefined)
    .join(' · ');
}

/** Bytes per second over the last few seconds. */
function openSpeedometer() {
  const samples: { readonly atMs: number; readonly bytes: number }[] = [
    { atMs: performance.now(), bytes: 0 },
  ];
  return (bytes: number): number => {
    const atMs = performance.now();
    samples.push({ atMs, bytes });
    while ((samples[0]?.atMs ?? atMs) < atMs - speedWindowMs && samples.length > 2) samples.shift();
    const [first] = samples;
    if (first === undefined || first.atMs === atMs) return 0;
    return Math.max(0, ((bytes - first.bytes) / (atMs - first.atMs)) * 1000);
  };
}

/** Starts to show: a line that is drawn over on a terminal, else one line every `lineMs`, ten seconds as a rule, or nothing. */
export function startProgress(
  { stderr }: Pick<Terminal, 'stderr'>,
  options: { readonly title: string; readonly isQuiet: boolean; readonly lineMs?: number | undefined },
): ProgressMeter {
  const state = { doneBytes: 0, totalBytes: 0, doneFiles: 0, totalFiles: 0, earlierBytes: 0 };
  const lineMs = options.lineMs ?? usualLineMs;
  const speed = openSpeedometer();
  const isLive = stderr.isTTY === true && !options.isQuiet;
  const draw = () => {
    const line = formatProgress(options.title, state, speed(state.doneBytes - state.earlierBytes));
    if (isLive) stderr.write(`${erase}${line.slice(0, Math.max(20, (stderr.columns ?? 80) - 1))}`);
    else stderr.write(`${line}\n`);
  };
  const timer = options.isQuiet ? undefined : setInterval(draw, isLive ? drawMs : lineMs);
  timer?.unref();
  return {
    state,
    note: (line) => stderr.write(isLive ? `${erase}${line}\n` : `${line}\n`),
    stop: () => {
      clearInterval(timer);
      if (isLive) stderr.write(erase);
    },
  };
}
