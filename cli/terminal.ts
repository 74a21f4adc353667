/** The streams and the environment of a run; tests give their own. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Data, and nothing else. */
  readonly stdout: Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'once'>;
  /** Progress, questions, errors. */
  readonly stderr: Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns'>;
  readonly stdin: NodeJS.ReadStream;
  /** Set by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** Writes data, waiting while the reader is slow. */
export async function writeOut({ stdout }: Terminal, data: string | Uint8Array): Promise<void> {
  if (stdout.write(data)) return;
  await new Promise<void>((resolve) => {
    stdout.once('drain', resolve);
  });
}

const esc = String.fromCharCode(27);

/** Whether colours are wanted on stderr: https://no-color.org, and `CLICOLOR_FORCE`. */
export function wantsColor({ env, stderr }: Pick<Terminal, 'env' | 'stderr'>): boolean {
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false;
  if (env.CLICOLOR_FORCE !== undefined && env.CLICOLOR_FORCE !== '0') return true;
  return stderr.isTTY === true && env.TERM !== 'dumb';
}

/** Text in red where colours are wanted. */
export function red(terminal: Pick<Terminal, 'env' | 'stderr'>, text: string): string {
  return wantsColor(terminal) ? `${esc}[31m${text}${esc}[39m` : text;
}

/**
 * Text that a terminal shows as it is: names of files may hold escape sequences and line ends, which would move the
 * cursor or fake a line.
 */
export function printable(text: string): string {
  return text.replaceAll(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced.
    /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
