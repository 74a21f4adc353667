import type { Command, Option } from 'commander';

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}

function optionRows(options: readonly Option[]): string[] {
  return options
    .filter(({ hidden }) => !hidden)
    .map(({ flags, description, defaultValue }) => {
      const standard = typeof defaultValue === 'string' ? ` (default \`${defaultValue}\`)` : '';
      return `| \`${escapeCell(flags).replaceAll('&lt;', '<')}\` | ${escapeCell(description)}${standard} |`;
    });
}

function usageOf(command: Command, path: readonly string[]): string {
  const words = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return ['vfolder', ...path, ...words].join(' ');
}

function isShown(command: Command): boolean {
  return !command.name().startsWith('__');
}

function sectionsOf(command: Command, path: readonly string[]): string[] {
  const inner = command.commands.filter(isShown);
  if (inner.length > 0) return inner.flatMap((next) => sectionsOf(next, [...path, next.name()]));
  const rows = optionRows(command.options);
  const aliases = command.aliases().map((alias) => `\`${alias}\``);
  return [
    `### ${path.join(' ')}`,
    `\`${usageOf(command, path)}\``,
    `${command.description()[0]?.toUpperCase()}${command.description().slice(1)}.${aliases.length === 0 ? '' : ` Also: ${aliases.join(', ')}.`}`,
    ...(rows.length === 0 ? [] : [['| option | |', '|---|---|', ...rows].join('\n')]),
  ];
}

/** The commands of the program as Markdown, one section each. */
export function renderReference(program: Command): string {
  const common = ['| option | |', '|---|---|', ...optionRows(program.options)].join('\n');
  const commands = program.commands
    .filter(isShown)
    .toSorted((a, b) => (a.name() < b.name() ? -1 : 1))
    .flatMap((command) => sectionsOf(command, [command.name()]));
  return [`## Common options`, common, '## Commands', ...commands].join('\n\n');
}
