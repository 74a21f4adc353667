/** Transfer tokens of one user that may be good at the same time: enough for a client that takes one for every file of a large tree. */
export const transferTokensMax = 100_000;
/** Bytes of paths and names kept with them: 64 MiB. */
export const transferTokenBytesMax = 64 * 1024 ** 2;

/** Bytes that a token counts for: its paths as JSON in UTF-8, and the name to save under. */
export function keptBytes(token: {
  readonly paths: readonly string[];
  readonly fileName: string | null;
}): number {
  return Buffer.byteLength(JSON.stringify(token.paths)) + Buffer.byteLength(token.fileName ?? '');
}
