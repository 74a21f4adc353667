import { type Command, CommanderError } from 'commander';
import type { Terminal } from './terminal.ts';

/** Runs one command. @returns the code to end with; errors are printed */
export async function runProgram(
  program: Command,
  words: readonly string[],
  terminal: Terminal,
): Promise<number> {
  try {
    await program.parseAsync([...words], { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return codeOfParser(error);
    const { reportError } = await import('./report-error.ts');
    return reportError(terminal, error, { isJson: wantsJson(words) });
  }
}

/** Whether errors are wanted as JSON, also where the words could not be parsed. */
export function wantsJson(words: readonly string[]): boolean {
  return (
    words.includes('--json') ||
    words.some((word, at) => word === 'json' && /^(-o|--output)$/.test(words[at - 1] ?? '')) ||
    words.includes('-ojson') ||
    words.includes('--output=json')
  );
}

/** The parser has printed help, the version or its complaint already. */
function codeOfParser({ code, exitCode }: CommanderError): number {
  return code === 'commander.helpDisplayed' || code === 'commander.version' || exitCode === 0 ? 0 : 2;
}
