interface Weighted {
  readonly value: string;
  readonly weight: number;
}

function parseWeighted(header: string): Weighted[] {
  return header.split(',').map((item) => {
    const [value = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    return { value, weight: weight === undefined ? 1 : Number.parseFloat(weight.slice(2)) || 0 };
  });
}

function weightOf(list: readonly Weighted[], value: string): number | undefined {
  return list.find((item) => item.value === value)?.weight;
}

/** Tells whether an `Accept` header names this media type itself (a wildcard does not count). */
export function acceptsExactly(header: string | undefined, mediaType: string): boolean {
  return header !== undefined && (weightOf(parseWeighted(header), mediaType) ?? 0) > 0;
}

/**
 * Tells whether an `Accept-Encoding` header rules gzip out: it refuses it by weight 0, or asks for `identity` without
 * naming gzip or `*`. A missing header rules nothing out.
 */
export function refusesGzip(header: string | undefined): boolean {
  if (header === undefined) return false;
  const list = parseWeighted(header);
  const gzip = weightOf(list, 'gzip') ?? weightOf(list, 'x-gzip') ?? weightOf(list, '*');
  if (gzip !== undefined) return gzip === 0;
  return (weightOf(list, 'identity') ?? 0) > 0;
}
