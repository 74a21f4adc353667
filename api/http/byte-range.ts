/** The part of a representation a `Range` header selects; `end` is inclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Ranges in one header beyond which it is ignored, as RFC 9110 §14.2 allows against floods. */
const rangesMax = 100;
const rangeSpec = /^(\d*)-(\d*)$/;

function resolveSpec(spec: string, sizeBytes: number): ByteRange | 'unsatisfiable' | undefined {
  const match = rangeSpec.exec(spec.trim());
  if (match === null) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const suffix = Number(last);
    if (suffix === 0 || sizeBytes === 0) return 'unsatisfiable';
    return { start: Math.max(0, sizeBytes - suffix), end: sizeBytes - 1 };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return undefined;
  if (start >= sizeBytes) return 'unsatisfiable';
  return { start, end: last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1) };
}

/**
 * Reads a `Range` header (RFC 9110 §14.1.2) against a representation of `sizeBytes`. `undefined` means: answer the
 * whole, because the header is absent, of another unit, malformed, or asks for several satisfiable ranges.
 */
export function parseByteRange(
  header: string | undefined,
  sizeBytes: number,
): ByteRange | 'unsatisfiable' | undefined {
  if (header === undefined) return undefined;
  const [unit, ...rest] = header.split('=');
  if (unit?.trim().toLowerCase() !== 'bytes' || rest.length !== 1) return undefined;
  const specs = (rest[0] ?? '').split(',').filter((spec) => spec.trim() !== '');
  if (specs.length === 0 || specs.length > rangesMax) return undefined;
  const ranges = specs.map((spec) => resolveSpec(spec, sizeBytes));
  if (ranges.includes(undefined)) return undefined;
  const satisfiable = ranges.filter((range) => range !== 'unsatisfiable');
  if (satisfiable.length === 0) return 'unsatisfiable';
  // Several parts would need multipart/byteranges; the whole is always a right answer.
  return ranges.length === 1 ? satisfiable[0] : undefined;
}
