/** The date of a signed request. `dayKey` is `yyyymmdd` in the offset the date is written in, not in UTC. */
export interface SignedDate {
  readonly epochMs: number;
  readonly dayKey: string;
}

interface Fields {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly millisecond: number;
  readonly offsetMinutes: number;
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

const rfc1123 = /^(?:[A-Za-z]{3},\s*)?(\d{1,2}) ([A-Za-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d) (\S+)$/;
const rfc850 = /^[A-Za-z]{6,9}, (\d\d)-([A-Za-z]{3})-(\d\d) (\d\d):(\d\d):(\d\d) (\S+)$/;
const asctime = /^[A-Za-z]{3} ([A-Za-z]{3}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})$/;
const iso8601 =
  /^(\d{4})-?(\d\d)-?(\d\d)[Tt ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)? ?(Z|z|[+-]\d\d(?::?\d\d)?)?$/;

function offsetOf(zone: string | undefined): number | undefined {
  if (zone === undefined || /^(?:z|gmt|utc?)$/i.test(zone)) return 0;
  const match = /^([+-])(\d\d):?(\d\d)?$/.exec(zone);
  if (match === null) return undefined;
  const minutes = Number(match[2]) * 60 + Number(match[3] ?? 0);
  return match[1] === '-' ? -minutes : minutes;
}

// RFC 9110 §5.6.7: a two-digit year that seems more than 50 years ahead is of the century before.
function fullYear(twoDigits: number, thisYear: number): number {
  const year = Math.floor(thisYear / 100) * 100 + twoDigits;
  return year > thisYear + 50 ? year - 100 : year;
}

interface Parts {
  readonly year: number;
  readonly month: number;
  readonly day: string | undefined;
  readonly time: readonly (string | undefined)[];
  readonly fraction?: string | undefined;
  readonly zone: string | undefined;
}

function monthOf(name: string | undefined): number {
  return months.indexOf((name ?? '').toLowerCase()) + 1;
}

function matchParts(text: string, thisYear: number): Parts | undefined {
  const iso = iso8601.exec(text);
  if (iso !== null) {
    const [, year, month, day, hour, minute, second, fraction, zone] = iso;
    return { year: Number(year), month: Number(month), day, time: [hour, minute, second], fraction, zone };
  }
  const mail = rfc1123.exec(text);
  if (mail !== null) {
    const [, day, month, year, hour, minute, second, zone] = mail;
    return { year: Number(year), month: monthOf(month), day, time: [hour, minute, second], zone };
  }
  const old = rfc850.exec(text);
  if (old !== null) {
    const [, day, month, year, hour, minute, second, zone] = old;
    const time = [hour, minute, second];
    return { year: fullYear(Number(year), thisYear), month: monthOf(month), day, time, zone };
  }
  const ansi = asctime.exec(text);
  if (ansi === null) return undefined;
  const [, month, day, hour, minute, second, year] = ansi;
  return { year: Number(year), month: monthOf(month), day, time: [hour, minute, second], zone: undefined };
}

function toFields(parts: Parts): Fields | undefined {
  const offsetMinutes = offsetOf(parts.zone);
  if (offsetMinutes === undefined) return undefined;
  const [hour, minute, second] = parts.time.map((text) => Number(text ?? 0));
  if (hour === undefined || minute === undefined || second === undefined) return undefined;
  const millisecond = Number((parts.fraction ?? '').padEnd(3, '0').slice(0, 3));
  const { year, month } = parts;
  return { year, month, day: Number(parts.day), hour, minute, second, millisecond, offsetMinutes };
}

// A date such as 30 February rolls over, which the comparison notices; 60 is a leap second.
function localMs(fields: Fields): number | undefined {
  const { year, month, day, hour, minute, second, millisecond } = fields;
  const date = new Date(Date.UTC(year, month - 1, day));
  const isReal =
    date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (!isReal || hour > 23 || minute > 59 || second > 60) return undefined;
  if (Math.abs(fields.offsetMinutes) >= 24 * 60) return undefined;
  return Date.UTC(year, month - 1, day, hour, minute, second, millisecond);
}

/**
 * Reads a date as signed requests carry it: RFC 1123, RFC 850 and asctime dates (RFC 9110 §5.6.7) and ISO 8601 with an
 * offset, `Z` or none (then UTC). Anything else is `undefined`. `thisYear` resolves the two-digit years of RFC 850.
 */
export function parseSignedDate(text: string, thisYear: number): SignedDate | undefined {
  const parts = matchParts(text.trim(), thisYear);
  const fields = parts === undefined ? undefined : toFields(parts);
  const local = fields === undefined ? undefined : localMs(fields);
  if (fields === undefined || local === undefined) return undefined;
  const twoDigits = (value: number): string => String(value).padStart(2, '0');
  const dayKey = `${String(fields.year).padStart(4, '0')}${twoDigits(fields.month)}${twoDigits(fields.day)}`;
  return { epochMs: local - fields.offsetMinutes * 60_000, dayKey };
}
