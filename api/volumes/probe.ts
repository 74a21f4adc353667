import type { Volume } from '../../storage/volume.ts';
import { answerMsMax, questionTo } from '../service/ask-part.ts';

/** Room of a volume's file system, in bytes and inodes; a file system without a count of inodes says 0 in total. */
export type Capacity = Awaited<ReturnType<Volume['capacity']>>;

/** How a volume answers this process. */
export interface Probe {
  /** `undefined` while the volume does not answer. */
  readonly capacity: Capacity | undefined;
  /** How long the latest answer took. */
  readonly latencyMs: number | null;
  readonly lastOkAt: Date | null;
  readonly lastErrorAt: Date | null;
  /** A sentence for operators, without any path. */
  readonly lastError: string | null;
}

/** Room changes slowly, and folders may be made by the hundred. */
const freshMs = 5_000;
/** Asked no further apart than this, volumes count as asked at the same time. */
const apartMsMax = 100;

interface Memory {
  probe: Probe;
  askedAt: number;
  asking: Promise<Probe> | undefined;
}

const unknown: Probe = {
  capacity: undefined,
  latencyMs: null,
  lastOkAt: null,
  lastErrorAt: null,
  lastError: null,
};

const memories = new WeakMap<Volume, Memory>();

type Answer = { readonly capacity: Capacity; readonly latencyMs: number } | { readonly failure: string };

/** The error's own words may hold a path; its code does not. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return `The volume failed${typeof code === 'string' ? ` with ${code}` : ''}.`;
}

const askVolume = questionTo(async (volume: Volume): Promise<Answer> => {
  const startedAt = performance.now();
  try {
    const capacity = await volume.capacity();
    return { capacity, latencyMs: performance.now() - startedAt };
  } catch (error) {
    return { failure: reasonOf(error) };
  }
});

async function ask(volume: Volume, before: Probe): Promise<Probe> {
  const answer = await askVolume(volume);
  if (answer !== undefined && 'capacity' in answer) return { ...before, ...answer, lastOkAt: new Date() };
  const late = `The volume did not answer within ${answerMsMax / 1_000} s.`;
  const lastError = answer === undefined ? late : answer.failure;
  return { ...before, capacity: undefined, latencyMs: null, lastErrorAt: new Date(), lastError };
}

/**
 * How a volume answers, as of at most 5 s ago; one that hangs costs 2 s once in that time, whoever asks. Remembers the last
 * success and the last failure since this process started.
 */
export async function probeVolume(volume: Volume): Promise<Probe> {
  const memory = memories.get(volume) ?? {
    probe: unknown,
    askedAt: Number.NEGATIVE_INFINITY,
    asking: undefined,
  };
  memories.set(volume, memory);
  if (memory.asking !== undefined) return await memory.asking;
  if (performance.now() - memory.askedAt < freshMs) return memory.probe;
  memory.askedAt = performance.now();
  memory.asking = ask(volume, memory.probe).then((probe) => {
    memory.probe = probe;
    memory.asking = undefined;
    return probe;
  });
  return await memory.asking;
}

/**
 * As {@link probeVolume} of several that are compared: all as of the same time, for the room of a disk that is filled at full
 * speed differs by more within 5 s than it does between volumes on that disk.
 */
export async function probeTogether(volumes: readonly Volume[]): Promise<Probe[]> {
  const known = volumes.map((volume) => memories.get(volume));
  const times = known.map((memory) => memory?.askedAt ?? Number.NEGATIVE_INFINITY);
  if (Math.max(...times) - Math.min(...times) > apartMsMax) {
    for (const memory of known) if (memory !== undefined) memory.askedAt = Number.NEGATIVE_INFINITY;
  }
  return await Promise.all(volumes.map(probeVolume));
}
