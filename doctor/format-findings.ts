import type { NamedFinding } from './finding.ts';

const marks = { ok: 'ok', skipped: '--', bad: 'BAD' } as const;
const esc = String.fromCharCode(27);

/** One line for each finding, and for what is bad one more that says how to mend it. */
export function formatFindings(
  findings: readonly NamedFinding[],
  { isColored }: { readonly isColored: boolean },
): string {
  const width = Math.max(...findings.map(({ name }) => name.length));
  const lines = findings.flatMap((finding) => {
    const line = `${marks[finding.state].padEnd(3)}  ${finding.name.padEnd(width)}  ${finding.detail}`;
    if (finding.state !== 'bad') return [line];
    return [
      isColored ? `${esc}[31m${line}${esc}[39m` : line,
      `     ${' '.repeat(width)}  Mend: ${finding.mend}`,
    ];
  });
  const count = findings.filter(({ state }) => state === 'bad').length;
  const end =
    count === 0
      ? `${findings.length} checks, nothing is wrong.`
      : `${findings.length} checks, ${count} to mend.`;
  return `${[...lines, '', end].join('\n')}\n`;
}
