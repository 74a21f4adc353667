import { usageError } from './exit-codes.ts';

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
const secondsOf: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

/** Bytes for people, in powers of 1024: `1.5 MiB`. */
export function formatBytes(bytes: number): string {
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, Math.abs(bytes))) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`;
}

/** A length of time for people: `59s`, `2m05s`, `1h02m`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  if (whole < 60) return `${whole}s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3_600)}h${two(Math.floor((whole % 3_600) / 60))}m`;
}

/** Seconds of `90s`, `15m`, `12h`, `7d` or `2w`. @throws a usage error */
export function parseDuration(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  const seconds = secondsOf[unit];
  if (seconds === undefined) throw usageError(`"${text}" is no duration: write 90s, 15m, 12h, 7d or 2w.`);
  return Number(digits) * seconds;
}

/** A whole number within bounds. @throws a usage error that names the option */
export function parseWhole(text: string, option: string, [min, max]: readonly [number, number]): number {
  const value = Number(text);
  if (/^\d{1,15}$/.test(text) && value >= min && value <= max) return value;
  throw usageError(`--${option} must be a whole number from ${min} to ${max}, not "${text}".`);
}

/** Bytes of `512`, `10K`, `1.5G` or `2TiB`, in powers of 1024. @throws a usage error that names the option */
export function parseBytes(text: string, option: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,15}(?:\.\d{1,3})?)([KMGTP]?)(?:iB|B)?$/i.exec(text) ?? [];
  const power = unit === '' ? 0 : 'KMGTP'.indexOf(unit.toUpperCase()) + 1;
  const bytes = Math.round(Number(digits) * 1024 ** power);
  if (digits !== '' && bytes <= 999_999_999_999_999) return bytes;
  throw usageError(`--${option} must be a size such as 500M, 10G or 2T, not "${text}".`);
}
