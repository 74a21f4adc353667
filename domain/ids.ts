const hex32 = /^[0-9a-f]{32}$/i;
const dashed = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** A uuid as the wire shows folder ids: 32 lower-case hex characters. */
export function toHexId(uuid: string): string {
  return uuid.replaceAll('-', '').toLowerCase();
}

/** Reads an id given as 32 hex characters or as a dashed uuid into a dashed lower-case uuid, else `undefined`. */
export function parseId(raw: string): string | undefined {
  if (dashed.test(raw)) return raw.toLowerCase();
  if (!hex32.test(raw)) return undefined;
  const hex = raw.toLowerCase();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
