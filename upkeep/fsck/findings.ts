/** What is known of a kind of finding before it is met. */
interface Kind {
  /** A `fault` is something wrong; a `note` only takes room, and leaves the exit code alone. */
  readonly level: 'fault' | 'note';
  /** What `--fix` does; `null` when that is for somebody to decide. */
  readonly fix: string | null;
}

/** Every kind of finding by its code. All of the fixes are fenced: they are safe while the service runs. */
export const findingKinds = {
  folder_missing: { level: 'fault', fix: 'make it anew, empty' },
  area_missing: { level: 'fault', fix: 'make it anew, empty' },
  area_blocked: { level: 'fault', fix: null },
  area_mode: { level: 'fault', fix: 'set the mode' },
  area_owner: { level: 'fault', fix: 'set the owner, which takes root' },
  folder_orphaned: { level: 'fault', fix: 'set it aside under lost/, with a note' },
  folder_misplaced: { level: 'fault', fix: null },
  folder_litter: { level: 'fault', fix: 'remove the empty directories' },
  folder_leftover: { level: 'fault', fix: null },
  purge_missing: { level: 'fault', fix: 'have it purged' },
  clone_missing: { level: 'fault', fix: 'give the clone up and have it purged' },
  upload_incomplete: { level: 'fault', fix: 'give the upload up' },
  upload_doomed: { level: 'note', fix: null },
  upload_stuck: { level: 'fault', fix: 'give the upload up' },
  archive_missing: { level: 'fault', fix: 'forget the archive' },
  archive_size: { level: 'fault', fix: 'remove the archive' },
  trash_missing: { level: 'fault', fix: 'count the trash again' },
  stage_litter: { level: 'fault', fix: 'remove it' },
  trash_litter: { level: 'fault', fix: 'remove it, or have its job end' },
  archive_litter: { level: 'fault', fix: 'remove it' },
  foreign_name: { level: 'fault', fix: null },
  usage_drift: { level: 'fault', fix: 'write what was counted' },
  trash_drift: { level: 'fault', fix: 'write what was counted' },
  directories_drift: { level: 'fault', fix: 'write what was counted' },
  reserved_drift: { level: 'fault', fix: 'write what open uploads and copies hold' },
  job_objectless: { level: 'fault', fix: 'end the job as failed' },
  checksums_stale: { level: 'note', fix: 'forget them' },
  set_aside: { level: 'note', fix: null },
  volume_elsewhere: { level: 'note', fix: null },
} as const satisfies Record<string, Kind>;

/** One of the keys of {@link findingKinds}. */
export type FindingCode = keyof typeof findingKinds;

/** Something that rows and files disagree about. */
export interface Finding {
  readonly code: FindingCode;
  readonly volume: string;
  readonly folderId: string | null;
  /** Where, from the root of the volume, or from the folder's directory when there is a folder. */
  readonly path: string | null;
  /** What is wrong, in a few words. */
  readonly detail: string;
}

/** A finding and how to mend it. */
export interface Found extends Finding {
  /** Does what the kind says, after looking again. @returns false when there was nothing left to mend */
  readonly mend?: () => Promise<boolean>;
}

/** What became of a finding. `left`: nothing was done; `gone`: it had mended itself. */
export type Outcome = 'left' | 'fixed' | 'gone' | 'failed';

/** A finding as it is told. */
export interface ToldFinding {
  readonly code: FindingCode;
  readonly level: 'fault' | 'note';
  readonly volume: string;
  readonly folder: string | null;
  readonly path: string | null;
  readonly detail: string;
  readonly fix: string | null;
  readonly safe_while_running: boolean;
  readonly outcome: Outcome;
  /** Why a fix failed. */
  readonly reason?: string;
}

/** Puts a finding and its outcome into the form it is told in. */
export function tell(found: Finding, outcome: Outcome, reason?: string): ToldFinding {
  const { level, fix } = findingKinds[found.code];
  return {
    code: found.code,
    level,
    volume: found.volume,
    folder: found.folderId,
    path: found.path,
    detail: found.detail,
    fix,
    safe_while_running: true,
    outcome,
    ...(reason === undefined ? {} : { reason }),
  };
}

/** A finding as a line for people. */
export function formatFinding(told: ToldFinding): string {
  const where = [
    told.volume,
    ...(told.folder === null ? [] : [`folder ${told.folder}`]),
    ...(told.path === null ? [] : [JSON.stringify(told.path)]),
  ].join(' ');
  const ends: Readonly<Record<Outcome, string>> = {
    left: told.fix === null ? 'For you to look at.' : `--fix would ${told.fix}.`,
    fixed: `Done: ${told.fix}.`,
    gone: 'It is well by now.',
    failed: `Could not ${told.fix}: ${told.reason}`,
  };
  const note = told.level === 'note' ? ' (note)' : '';
  return `${told.code}${note}  ${where}: ${told.detail}. ${ends[told.outcome]}`;
}
