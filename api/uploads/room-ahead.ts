import { reservationStepBytes } from '../../domain/quota.ts';

/** What one step asks for at most. */
const stepBytesMax = 64 * 1024 ** 2;
/** After a step that lasted less than this comes one of twice the size; after one of four times as long, one of half. */
const stepMsMin = 500;

/** Room asked for ahead of a stream, while the stream goes on. */
export interface RoomAhead {
  /** How much to ask for beyond what is needed now, when `comingBytes` are to come; the next step begins with the call. */
  takeStep(comingBytes: number): number;
  /** Begins to ask when `spareBytes` will not last while the answer takes its time and more is to come. */
  consider(room: { readonly spareBytes: number; readonly comingBytes: number }): void;
  /** Waits for what was asked for. @returns the bytes that were granted since the last call; 0 also when asking failed */
  settle(): Promise<number>;
}

/**
 * Decides when to ask for how much. A stream that uses up its room fast asks for more at a time and half a step before it
 * runs out, so that it neither waits for every few megabytes nor holds much that it does not use soon.
 * @param ask asks for up to so many bytes; answers with what was granted
 */
export function openRoomAhead(ask: (bytes: number) => Promise<number>): RoomAhead {
  let stepBytes = reservationStepBytes;
  let steppedAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<number> | undefined;

  const takeStep = (comingBytes: number): number => {
    const now = performance.now();
    const lastedMs = now - steppedAt;
    if (lastedMs < stepMsMin) stepBytes = Math.min(stepBytesMax, stepBytes * 2);
    else if (lastedMs > 4 * stepMsMin) stepBytes = Math.max(reservationStepBytes, stepBytes / 2);
    steppedAt = now;
    return Math.max(0, Math.min(stepBytes, comingBytes));
  };
  return {
    takeStep,
    consider({ spareBytes, comingBytes }) {
      if (asking !== undefined || spareBytes >= Math.min(stepBytes / 2, comingBytes)) return;
      // Who runs out of room asks again, and is told then why there is none.
      asking = ask(takeStep(comingBytes - spareBytes)).catch(() => 0);
    },
    async settle() {
      const granted = await asking;
      asking = undefined;
      return granted ?? 0;
    },
  };
}
