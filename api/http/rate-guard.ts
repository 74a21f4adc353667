import type { Socket } from 'node:net';

/** The slowest transfer that goes on: this much in every window of this length. */
export interface Pace {
  readonly windowMs: number;
  readonly bytesMin: number;
}

/** 1 KiB/s over 30 s, in either direction. */
export const usualPace: Pace = { windowMs: 30_000, bytesMin: 30 * 1024 };

/** The window rolls in steps of this part of it. */
const steps = 6;

/**
 * How many bytes written to a socket its other end has not acknowledged, at some time after the call; `null` when that
 * cannot be told this time, `undefined` when it never can.
 */
export type UnsentBytes = (socket: Socket) => Promise<number | null | undefined>;

/** What is watched. */
export interface Transfer {
  /** A running total of what the other side sent or took. */
  bytesMoved(): number;
  /** What of these has not reached the other side yet, as {@link UnsentBytes}. */
  bytesOnTheWay?(): Promise<number | null | undefined>;
  /** Whether it is the other side that is waited for; what we delay ourselves is not held against it. */
  isPeerDue(): boolean;
  /** Called once, when the other side was waited for all through a window and moved too little. */
  onTooSlow(): void;
}

/** What has reached the other side, for certain and at most. They differ by what moved while it was found out. */
interface Sample {
  readonly least: number;
  readonly most: number;
}

/** Makes what takes a sample; it answers `null` when it cannot be told this time. */
function openSampler(transfer: Transfer): () => Promise<Sample | null> {
  let misses = 0;
  return async () => {
    const before = transfer.bytesMoved();
    const onTheWay = transfer.isPeerDue() ? await transfer.bytesOnTheWay?.() : undefined;
    misses = onTheWay === null ? misses + 1 : 0;
    if (onTheWay === null && misses <= steps) return null;
    // What is never told counts as arrived.
    return { least: before - (onTheWay ?? 0), most: transfer.bytesMoved() - (onTheWay ?? 0) };
  };
}

/**
 * Watches over a transfer, so that trickling peers cannot hold sockets, files and reservations for ever. One that is
 * too slow is told so within a sixth more than a window.
 * @returns a function that ends the watch; it must be called
 */
export function guardRate(transfer: Transfer, pace: Pace = usualPace): () => void {
  const takeSample = openSampler(transfer);
  let samples: Sample[] = [];
  let isBusy = false;
  let isOver = false;
  const end = () => {
    isOver = true;
    clearInterval(timer);
  };
  const note = async () => {
    const sample = await takeSample();
    if (isOver || sample === null) return;
    if (!transfer.isPeerDue()) samples = [];
    const [oldest] = samples;
    samples.push(sample);
    if (oldest === undefined || samples.length <= steps) return;
    samples.shift();
    if (sample.most - oldest.least >= pace.bytesMin) return;
    end();
    transfer.onTooSlow();
  };
  const noteOnce = async () => {
    if (isBusy) return;
    isBusy = true;
    await note().catch(() => undefined);
    isBusy = false;
  };
  const timer = setInterval(() => void noteOnce(), pace.windowMs / steps).unref();
  void noteOnce();
  return end;
}

function numberOf(handle: unknown, name: string): number | undefined {
  const value: unknown =
    typeof handle === 'object' && handle !== null ? Reflect.get(handle, name) : undefined;
  return typeof value === 'number' ? value : undefined;
}

/**
 * How much of what was written to a socket the kernel has taken on behalf of the other end. The handle tells it as a
 * write shrinks (Node's own socket timeout looks there, too); without that, a write counts when it is done.
 */
export function bytesTaken(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle');
  const handed = numberOf(handle, 'bytesWritten');
  const waiting = numberOf(handle, 'writeQueueSize');
  if (handed === undefined || waiting === undefined) return socket.bytesWritten - socket.writableLength;
  return handed - waiting;
}
