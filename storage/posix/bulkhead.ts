import { volumeUnavailable } from './errno.ts';

/**
 * How long a call may take. `quick` ones answer in milliseconds or the volume is ill. `patient` ones (fsync) may have
 * gigabytes to flush; they get only a part of the room, so that the others go on meanwhile. `owed` ones give something
 * back (close): they are never refused, only answered for late.
 */
export type CallKind = 'quick' | 'patient' | 'owed';

/** What to know of a call; `quick` by default. */
export interface CallOptions<T> {
  readonly kind?: CallKind;
  /** Gets the result of a call whose caller was told that the volume does not answer, such as a number to close. */
  readonly onLate?: (value: T) => void;
}

/** What a call was lent. */
export interface Loan {
  /** The call has settled, or was refused before it began. */
  giveBack(): void;
  /** The caller has its answer while the call goes on, perhaps for ever. */
  lose(): void;
}

/**
 * Keeps a volume that does not answer from taking the threads that all volumes share: at most so many calls are under
 * way at once, the others wait here, where waiting costs no thread, and are refused after a while.
 */
export interface Bulkhead {
  /**
   * Runs a call that uses a thread; `loan` hears when what the call was lent is free again. A call must not run another one inside: it would wait for room that it holds.
   * @throws volume_unavailable when there is no room for too long, at once while nothing moves, or when the call takes
   *   too long; it then still goes on and may take effect
   */
  run<T>(call: () => Promise<T>, options?: CallOptions<T>, loan?: Loan): Promise<T>;
  /** For who is about to make a synchronous call. @throws volume_unavailable while nothing moves */
  requireMoving(): void;
}

/** Bounds of a bulkhead. */
export interface BulkheadLimits {
  /** Calls under way at once, each on a thread. */
  readonly callsMax: number;
  /** Calls that wait for room. */
  readonly queueMax: number;
  /** How long a call waits for room, and how long nothing has to move for calls to be refused at once. */
  readonly waitMs: number;
  /** How long a quick call may take. */
  readonly answerMs: number;
  /** How long a patient call may wait and may take. */
  readonly patienceMs: number;
}

/** More threads than this speed no volume up. */
export const callsMaxUsual = 16;

/** A connection has one or two calls waiting, a listing eight; a full line is one that the wait would refuse anyway. */
const usualLimits: BulkheadLimits = {
  callsMax: callsMaxUsual,
  queueMax: 65_536,
  waitMs: 5_000,
  answerMs: 30_000,
  patienceMs: 600_000,
};

/** Lets everything through; for a volume that has the threads to itself. */
export const noBulkhead: Bulkhead = {
  run: (call, _options, loan) => (loan === undefined ? call() : call().finally(loan.giveBack)),
  requireMoving: () => undefined,
};

interface Call {
  readonly kind: CallKind;
  /** When it began to wait, later when it began to run. */
  since: number;
  isRunning: boolean;
  isGivenUp: boolean;
  /** Calls `settled` when it has settled, before its caller hears of it. */
  begin(settled: () => void): void;
  giveUp(): void;
}

/** Calls that wait, in their order; patient ones have less room and must not hold up the rest. */
interface Line {
  readonly quick: Set<Call>;
  readonly patient: Set<Call>;
}

/** Makes the bulkhead of one volume. */
export function createBulkhead(given: Partial<BulkheadLimits> = {}): Bulkhead {
  const limits = { ...usualLimits, ...given };
  const patientMax = Math.ceil(limits.callsMax / 2);
  const running = new Set<Call>();
  const line: Line = { quick: new Set(), patient: new Set() };
  let patientRunning = 0;
  let movedAt = 0;
  let isWatched = false;

  const hasRoom = (kind: CallKind) =>
    running.size < limits.callsMax && (kind !== 'patient' || patientRunning < patientMax);
  const isStuck = () => running.size >= limits.callsMax && performance.now() - movedAt > limits.waitMs;

  const begin = (call: Call) => {
    movedAt = performance.now();
    call.since = movedAt;
    call.isRunning = true;
    running.add(call);
    if (call.kind === 'patient') patientRunning += 1;
    startWatch();
    call.begin(() => {
      movedAt = performance.now();
      running.delete(call);
      if (call.kind === 'patient') patientRunning -= 1;
      beginNext();
    });
  };
  const beginNext = () => {
    const [quick] = hasRoom('quick') ? line.quick : [];
    const [patient] = hasRoom('patient') ? line.patient : [];
    const isPatientFirst = patient !== undefined && (quick === undefined || patient.since < quick.since);
    const next = isPatientFirst ? patient : quick;
    if (next === undefined) return;
    (isPatientFirst ? line.patient : line.quick).delete(next);
    begin(next);
  };
  // One timer for all calls, while there are any.
  const startWatch = () => {
    if (isWatched) return;
    isWatched = true;
    setTimeout(() => {
      isWatched = false;
      sweep({ running, line }, limits);
      if (running.size > 0) startWatch();
    }, limits.waitMs / 20).unref();
  };
  const admit = (call: Call) => {
    if (hasRoom(call.kind)) return begin(call);
    const waiting = call.kind === 'patient' ? line.patient : line.quick;
    const isRefused = waiting.size >= limits.queueMax || (call.kind === 'quick' && isStuck());
    if (isRefused && call.kind !== 'owed') return call.giveUp();
    waiting.add(call);
  };
  return {
    run: (call, options, loan) =>
      new Promise((resolve, reject) => admit(makeCall(call, options, loan, { resolve, reject }))),
    requireMoving: () => {
      if (isStuck()) throw silence();
    },
  };
}

function silence(): Error {
  return volumeUnavailable(new Error('The calls under way do not come back.'));
}

// Every system call passes here, so there is one promise and no async function.
function makeCall<T>(
  work: () => Promise<T>,
  options: CallOptions<T> | undefined,
  loan: Loan | undefined,
  caller: { readonly resolve: (value: T) => void; readonly reject: (error: unknown) => void },
): Call {
  const call: Call = {
    kind: options?.kind ?? 'quick',
    since: performance.now(),
    isRunning: false,
    isGivenUp: false,
    begin(settled) {
      work().then(
        (value) => {
          loan?.giveBack();
          settled();
          if (call.isGivenUp) options?.onLate?.(value);
          else caller.resolve(value);
        },
        (error: unknown) => {
          loan?.giveBack();
          settled();
          caller.reject(error);
        },
      );
    },
    giveUp() {
      call.isGivenUp = true;
      if (call.isRunning) loan?.lose();
      else if (call.kind !== 'owed') loan?.giveBack();
      caller.reject(silence());
    },
  };
  return call;
}

/** Answers for the calls that wait or run for too long. Those that run keep their room: their threads are not free. */
function sweep(
  { running, line }: { readonly running: ReadonlySet<Call>; readonly line: Line },
  { answerMs, waitMs, patienceMs }: BulkheadLimits,
): void {
  for (const call of running) giveUpAfter(call, call.kind === 'patient' ? patienceMs : answerMs);
  shorten(line.quick, waitMs);
  shorten(line.patient, patienceMs);
}

/** The oldest come first, so that the first in time ends it. */
function shorten(waiting: Set<Call>, msMax: number): void {
  for (const call of waiting) {
    if (!giveUpAfter(call, msMax)) return;
    if (call.kind !== 'owed') waiting.delete(call);
  }
}

/** @returns whether the caller has its answer */
function giveUpAfter(call: Call, msMax: number): boolean {
  if (!call.isGivenUp && performance.now() - call.since > msMax) call.giveUp();
  return call.isGivenUp;
}
