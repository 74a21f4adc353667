/** The reflected polynomial of CRC-32 (IEEE 802.3). */
const polynomial = 0xedb8_8320;

/** A linear map on the 32 bits of a CRC: what each bit becomes. */
type Matrix = Uint32Array;

function apply(matrix: Matrix, vector: number): number {
  let sum = 0;
  for (let bit = 0, rest = vector; rest !== 0; bit += 1, rest >>>= 1) {
    if ((rest & 1) !== 0) sum ^= matrix[bit] ?? 0;
  }
  return sum >>> 0;
}

function square(matrix: Matrix): Matrix {
  return matrix.map((column) => apply(matrix, column));
}

/** `powers[n]` is what 2^n zero bytes do to a CRC. */
function zeroBytePowers(): readonly Matrix[] {
  const bit = Uint32Array.from({ length: 32 }, (_, index) => (index === 0 ? polynomial : 2 ** (index - 1)));
  let power = square(square(square(bit)));
  return Array.from({ length: 48 }, () => {
    const present = power;
    power = square(power);
    return present;
  });
}

const powers = zeroBytePowers();

/**
 * The CRC-32 of two byte sequences in a row from the CRC-32 of each, so that parts can be checked at once (as
 * `crc32_combine` of zlib). `secondBytes` is the length of the second one.
 */
export function combineCrc32(first: number, second: number, secondBytes: number): number {
  let shifted = first >>> 0;
  for (let index = 0, rest = secondBytes; rest > 0; index += 1, rest = Math.floor(rest / 2)) {
    const power = powers[index];
    if (rest % 2 === 1 && power !== undefined) shifted = apply(power, shifted);
  }
  return (shifted ^ second) >>> 0;
}
