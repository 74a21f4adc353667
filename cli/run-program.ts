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
    const isJson =
      words.includes('--json') ||
      words.some((word, at) => word === 'json' && /^(-o|--output)$/.test(words[at - 1] ?? '')) ||
      words.includes('-ojson') ||
      words.includes('--output=json');
    return reportError(terminal, error, { isJson });
  }
}

/** The parser has printed help, the version or its complaint already. */
function codeOfParser({ code, exitCode }: CommanderError): number {
  return code === 'commander.helpDisplayed' || code === 'commander.version' || exitCode === 0 ? 0 : 2;
}
