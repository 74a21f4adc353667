import type { Config } from '../../runtime/config.ts';
import { formatFinding, type ToldFinding } from './findings.ts';
import { type FsckOptions, type FsckSummary, runFsck } from './run-fsck.ts';

/** "Some of it is done, some failed; what failed is named." */
const partly = 8;

/** Where findings go, one after the other. */
export type Print = (text: string) => Promise<void>;

/** What a check came to, in a sentence. */
export function describeFsck({
  folders,
  faults,
  notes,
  fixed,
  gone,
  fixed_notes: tidied,
  left,
  unsettled,
}: FsckSummary): string {
  const parts = [
    `${folders} folders checked`,
    faults === 0 ? 'nothing is wrong' : `${faults} found`,
    ...(fixed === 0 ? [] : [`${fixed} mended`]),
    ...(gone === 0 ? [] : [`${gone} well by now`]),
    ...(faults === 0 ? [] : [`${left} left`]),
    ...(notes === 0 ? [] : [`${notes} notes${tidied === 0 ? '' : ` (${tidied} of them dealt with)`}`]),
    ...(unsettled === 0 ? [] : [`${unsettled} folders changed all the time and were not counted`]),
  ];
  return `${parts.join(', ')}.`;
}

/** Runs a check and prints each finding as soon as it is known, for people or as one JSON object. @returns the exit code */
export async function printFsck(
  config: Config,
  options: Omit<FsckOptions, 'onFinding'>,
  { print, isJson }: { readonly print: Print; readonly isJson: boolean },
): Promise<number> {
  let count = 0;
  const onFinding = async (told: ToldFinding) => {
    const separator = count === 0 ? '{"findings":[\n' : ',\n';
    count += 1;
    await print(isJson ? `${separator}${JSON.stringify(told)}` : `${formatFinding(told)}\n`);
  };
  const summary = await runFsck(config, { ...options, onFinding });
  const start = count === 0 ? '{"findings":[' : '\n';
  await print(isJson ? `${start}],"summary":${JSON.stringify(summary)}}\n` : `${describeFsck(summary)}\n`);
  return summary.left === 0 ? 0 : partly;
}

/** Runs a check and keeps the first `findingsMax` of what it finds. */
export async function gatherFsck(
  config: Config,
  options: Omit<FsckOptions, 'onFinding'>,
  findingsMax: number,
): Promise<{ readonly findings: readonly ToldFinding[]; readonly summary: FsckSummary }> {
  const findings: ToldFinding[] = [];
  const onFinding = async (told: ToldFinding) => {
    if (findings.length < findingsMax) findings.push(told);
  };
  const summary = await runFsck(config, { ...options, onFinding });
  return { findings, summary };
}
