/** Bytes that arrive in pieces and are kept as one. */
export interface Gathering {
  readonly sizeBytes: number;
  add(chunk: Uint8Array): void;
  /** All bytes so far. Nothing may be added afterwards. */
  bytes(): Buffer;
}

/**
 * Gathers pieces in a buffer that doubles as it fills. A list of them costs some 350 bytes a piece, which a sender of
 * single bytes turns into hundreds of times what was sent; this is at most three times it, whatever the pieces.
 */
export function startGathering(): Gathering {
  let room = Buffer.alloc(0);
  let sizeBytes = 0;
  return {
    get sizeBytes() {
      return sizeBytes;
    },
    add(chunk) {
      const needed = sizeBytes + chunk.byteLength;
      if (needed > room.byteLength) {
        // The first piece is mostly the only one.
        const larger = Buffer.allocUnsafeSlow(
          sizeBytes === 0 ? needed : Math.max(needed, 2 * room.byteLength),
        );
        room.copy(larger, 0, 0, sizeBytes);
        room = larger;
      }
      room.set(chunk, sizeBytes);
      sizeBytes = needed;
    },
    bytes: () => room.subarray(0, sizeBytes),
  };
}
