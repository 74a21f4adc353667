import type { Preference } from '../route.ts';

/** Longest wait a caller can ask for. */
export const waitMsMax = 600_000;

/**
 * Reads `Prefer` (RFC 7240 §2): `respond-async` and `wait=<seconds>`. What it does not know or understand it ignores,
 * as the RFC asks. The first of repeated preferences counts.
 */
export function parsePrefer(header: string | readonly string[] | undefined): Preference {
  const text = typeof header === 'string' ? header : (header ?? []).join(',');
  let respondAsync = false;
  let waitMs: number | undefined;
  for (const item of text.split(',')) {
    const preference = item.split(';', 1)[0]?.trim().toLowerCase() ?? '';
    if (preference === 'respond-async') respondAsync = true;
    const seconds = /^wait\s*=\s*"?(\d{1,9})"?$/.exec(preference)?.[1];
    if (seconds !== undefined) waitMs ??= Math.min(Number(seconds) * 1000, waitMsMax);
  }
  return { respondAsync, waitMs };
}
