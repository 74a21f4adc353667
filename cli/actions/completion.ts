import type { Command } from 'commander';
import { openClient } from '../../client/client.ts';
import { noRetries } from '../../client/retry.ts';
import { usageError } from '../exit-codes.ts';
import type { Action } from '../invocation.ts';
import { findTarget } from '../settings.ts';
import { type Terminal, writeOut } from '../terminal.ts';

const scripts: Readonly<Record<string, string>> = {
  bash: `_vfolder() {
  local cur words
  # The colon of folder:path must not split words.
  if declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref -n : -w words cur
  else
    words=("\${COMP_WORDS[@]}") cur="\${COMP_WORDS[COMP_CWORD]}"
  fi
  local IFS=$'\\n'
  COMPREPLY=($(vfolder __complete -- "\${words[@]:1}" 2>/dev/null))
  if declare -F __ltrim_colon_completions >/dev/null; then __ltrim_colon_completions "$cur"; fi
  case "\${COMPREPLY[0]}" in *: | */) compopt -o nospace ;; esac
}
complete -o default -F _vfolder vfolder
`,
  zsh: `#compdef vfolder
_vfolder() {
  local -a found
  found=("\${(@f)$(vfolder __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -S '' -- $found
}
compdef _vfolder vfolder
`,
  fish: `complete -c vfolder -f -a '(vfolder __complete -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`,
};

/** Prints the script that a shell needs. */
export const printScript: Action = async (invocation) => {
  const script = scripts[invocation.arg(0)];
  if (script === undefined) throw usageError('There are scripts for bash, zsh and fish.');
  await writeOut(invocation.terminal, script);
};

const completeMsMax = 1_500;
const candidatesMax = 500;

function descend(program: Command, words: readonly string[]): { command: Command; rest: readonly string[] } {
  let command = program;
  for (const [at, word] of words.entries()) {
    if (word.startsWith('-')) continue;
    const next = command.commands.find((known) => known.name() === word || known.aliases().includes(word));
    if (next === undefined) return { command, rest: words.slice(at) };
    command = next;
  }
  return { command, rest: [] };
}

function staticCandidates(command: Command, current: string): string[] {
  if (current.startsWith('-')) {
    const own = command.options.flatMap(({ long }) => long ?? []);
    const common =
      command.parent === null ? [] : ['--output', '--json', '--url', '--profile', '--quiet', '--yes'];
    return [...own, ...common, '--help'];
  }
  return command.commands.filter((known) => !known.name().startsWith('__')).map((known) => known.name());
}

/** Names of folders, or, behind a colon, of the entries there. */
async function remoteCandidates(current: string, terminal: Terminal): Promise<string[]> {
  const target = await findTarget(terminal.env, { url: undefined, profile: undefined });
  const options = { url: target.url, credentials: target.credentials, userAgent: 'vfolder-cli' };
  const client = openClient({ ...options, retries: noRetries });
  const colon = current.indexOf(':');
  if (colon < 1) return (await client.folders.list()).map(({ name }) => `${name}:`);
  const folder = current.slice(0, colon);
  const path = current.slice(colon + 1);
  const directory = path.slice(0, path.lastIndexOf('/') + 1);
  const found: string[] = [];
  for await (const entry of client.files.list({ folder, path: directory })) {
    found.push(`${folder}:${directory}${entry.name}${entry.type === 'directory' ? '/' : ''}`);
    if (found.length >= candidatesMax) break;
  }
  return found;
}

/** Prints what the last word may become, one candidate a line. It never fails and never keeps a shell waiting for long. */
export async function complete(
  program: Command,
  given: readonly string[],
  terminal: Terminal,
): Promise<void> {
  const words = given[0] === '--' ? given.slice(1) : given;
  const current = words.at(-1) ?? '';
  const { command } = descend(program, words.slice(0, -1));
  const known = staticCandidates(command, current);
  const isDone = known.length > 0 && command.commands.length > 0;
  let remote: readonly string[] = [];
  if (!isDone && !current.startsWith('-')) {
    const late = new Promise<string[]>((resolve) => {
      setTimeout(() => resolve([]), completeMsMax).unref();
    });
    remote = await Promise.race([remoteCandidates(current, terminal).catch(() => []), late]);
  }
  const matching = [...known, ...remote].filter((candidate) => candidate.startsWith(current));
  await writeOut(terminal, matching.map((candidate) => `${candidate}\n`).join(''));
}
