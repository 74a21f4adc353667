/** What can be freed, one word a kind. */
export type FreedKind =
  | 'expired_uploads'
  | 'staged_files'
  | 'abandoned_copies'
  | 'archives'
  | 'trashed_folders'
  | 'resumed_purges'
  | 'left_trash'
  | 'folder_directories'
  | 'set_aside'
  | 'orphans';

/** How much of one kind. `bytes` is `null` where nobody has counted them. */
export interface Freed {
  readonly volume: string;
  readonly kind: FreedKind;
  readonly count: number;
  readonly bytes: number | null;
}

/** Adds up what a run frees. */
export interface Tally {
  /** One thing. */
  add(kind: FreedKind, bytes?: number): void;
  /** So many at once. */
  addMany(kind: FreedKind, count: number): void;
  list(): Freed[];
}

/** An empty tally of a volume. */
export function makeTally(volume: string): Tally {
  const sums = new Map<FreedKind, { count: number; bytes: number | null }>();
  const sumOf = (kind: FreedKind) => {
    const sum = sums.get(kind) ?? { count: 0, bytes: null };
    sums.set(kind, sum);
    return sum;
  };
  return {
    add: (kind, bytes) => {
      const sum = sumOf(kind);
      sum.count += 1;
      if (bytes !== undefined) sum.bytes = (sum.bytes ?? 0) + bytes;
    },
    addMany: (kind, count) => {
      if (count > 0) sumOf(kind).count += count;
    },
    list: () => [...sums].map(([kind, sum]) => ({ volume, kind, ...sum })),
  };
}
