import { usageError } from './exit-codes.ts';
import { type OutputForm, parseForm } from './output.ts';
import type { Terminal } from './terminal.ts';

/** A command as it was given. */
export interface Invocation {
  readonly terminal: Terminal;
  /** What is no option, in order. */
  readonly args: readonly string[];
  /** The argument at a place that the command requires. */
  arg(at: number): string;
  flag(name: string): boolean;
  text(name: string): string | undefined;
  /** The form of data, `fallback` unless one is asked for. */
  form(fallback?: OutputForm): OutputForm;
}

/** What a command does. It resolves when all is done, and throws what `exitCodeOf` knows. */
export type Action = (invocation: Invocation) => Promise<void>;

/** Makes an invocation of what the parser of the command line found. */
export function toInvocation(
  terminal: Terminal,
  args: readonly string[],
  options: Readonly<Record<string, unknown>>,
): Invocation {
  const text = (name: string): string | undefined => {
    const value = options[name];
    return typeof value === 'string' ? value : undefined;
  };
  return {
    terminal,
    args,
    arg: (at) => {
      const value = args[at];
      if (value === undefined) throw usageError('An argument is missing.');
      return value;
    },
    flag: (name) => options[name] === true,
    text,
    form: (fallback = 'table') => {
      if (options.json === true) return 'json';
      const given = text('output');
      return given === undefined ? fallback : parseForm(given);
    },
  };
}
