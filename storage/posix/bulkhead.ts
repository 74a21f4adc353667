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
  readonly loan: Loan | undefined;
  readonly reject: (error: unknown) => void;
  /** The tick when it began to wait, later when it began to run. */
  since: number;
  isRunning: boolean;
  isGivenUp: boolean;
}

/** Calls that wait, in their order, with what begins them; patient ones have less room and must not hold up the rest. */
interface Line {
  readonly quick: Map<Call, () => void>;
  readonly patient: Map<Call, () => void>;
}

/** Ticks of the clock in `waitMs`. It stands still while nothing is under way. */
const ticksPerWait = 20;

/**
 * Makes the bulkhead of one volume. Every system call passes here, so a call that finds room costs one promise and no look
 * at a clock: time is counted in ticks of the one timer that also looks for what takes too long.
 */
export function createBulkhead(given: Partial<BulkheadLimits> = {}): Bulkhead {
  const limits = { ...usualLimits, ...given };
  const patientMax = Math.ceil(limits.callsMax / 2);
  const running = new Set<Call>();
  const line: Line = { quick: new Map(), patient: new Map() };
  let patientRunning = 0;
  let tick = 0;
  let movedAt = 0;
  let isWatched = false;

  const hasRoom = (kind: CallKind) =>
    running.size < limits.callsMax && (kind !== 'patient' || patientRunning < patientMax);
  const isStuck = () => running.size >= limits.callsMax && tick - movedAt > ticksPerWait;
  // One timer for all calls, while there are any.
  const watch = () => {
    isWatched = true;
    setTimeout(() => {
      tick += 1;
      sweep({ running, line, tick }, limits);
      if (running.size > 0) watch();
      else isWatched = false;
    }, limits.waitMs / ticksPerWait).unref();
  };
  const enter = (call: Call) => {
    movedAt = tick;
    call.since = tick;
    call.isRunning = true;
    running.add(call);
    if (call.kind === 'patient') patientRunning += 1;
    if (!isWatched) watch();
  };
  const leave = (call: Call) => {
    movedAt = tick;
    running.delete(call);
    if (call.kind === 'patient') patientRunning -= 1;
    if (line.quick.size + line.patient.size > 0) beginNext();
  };
  const beginNext = () => {
    const [quick] = hasRoom('quick') ? line.quick : [];
    const [patient] = hasRoom('patient') ? line.patient : [];
    const isPatientFirst =
      patient !== undefined && (quick === undefined || patient[0].since < quick[0].since);
    const next = isPatientFirst ? patient : quick;
    if (next === undefined) return;
    const [call, begin] = next;
    (isPatientFirst ? line.patient : line.quick).delete(call);
    begin();
  };
  const wait = (call: Call, begin: () => void) => {
    const waiting = call.kind === 'patient' ? line.patient : line.quick;
    const isRefused = waiting.size >= limits.queueMax || (call.kind === 'quick' && isStuck());
    if (isRefused && call.kind !== 'owed') return giveUp(call);
    waiting.set(call, begin);
  };
  return {
    run: (work, options, loan) =>
      new Promise((resolve, reject) => {
        const kind = options?.kind ?? 'quick';
        const call: Call = { kind, loan, reject, since: tick, isRunning: false, isGivenUp: false };
        const begin = () => {
          enter(call);
          work().then(
            (value) => {
              loan?.giveBack();
              leave(call);
              if (call.isGivenUp) options?.onLate?.(value);
              else resolve(value);
            },
            (error: unknown) => {
              loan?.giveBack();
              leave(call);
              reject(error);
            },
          );
        };
        if (hasRoom(kind)) begin();
        else wait(call, begin);
      }),
    requireMoving: () => {
      if (isStuck()) throw silence();
    },
  };
}

function silence(): Error {
  return volumeUnavailable(new Error('The calls under way do not come back.'));
}

function giveUp(call: Call): void {
  call.isGivenUp = true;
  if (call.isRunning) call.loan?.lose();
  else if (call.kind !== 'owed') call.loan?.giveBack();
  call.reject(silence());
}

/** Answers for the calls that wait or run for too long. Those that run keep their room: their threads are not free. */
function sweep(
  given: { readonly running: ReadonlySet<Call>; readonly line: Line; readonly tick: number },
  { answerMs, waitMs, patienceMs }: BulkheadLimits,
): void {
  const { running, line, tick } = given;
  const begunBefore = (ms: number) => tick - Math.ceil((ms * ticksPerWait) / waitMs);
  const before = {
    answer: begunBefore(answerMs),
    wait: begunBefore(waitMs),
    patience: begunBefore(patienceMs),
  };
  for (const call of running) giveUpOld(call, call.kind === 'patient' ? before.patience : before.answer);
  shorten(line.quick, before.wait);
  shorten(line.patient, before.patience);
}

/** The oldest come first, so that the first in time ends it. */
function shorten(waiting: Map<Call, () => void>, before: number): void {
  for (const call of waiting.keys()) {
    if (!giveUpOld(call, before)) return;
    if (call.kind !== 'owed') waiting.delete(call);
  }
}

/** Its age counts whole ticks only, so that no call is given up early. @returns whether the caller has its answer */
function giveUpOld(call: Call, before: number): boolean {
  if (!call.isGivenUp && call.since < before) giveUp(call);
  return call.isGivenUp;
}
