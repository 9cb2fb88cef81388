/**
 * Values as people read them, and as programs do. For people: short, in the units they think in, nothing where nothing
 * was given, and nothing a peer sent can move the cursor or colour the screen. For programs: the raw values as JSON.
 */

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Seconds as `0.4s`, `45s`, `3m 12s`, `5h 06m`, `2d 04h`. Nothing for none. */
export function formatDuration(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds)) return '';
  if (seconds < 0) return `-${formatDuration(-seconds)}`;
  if (seconds < 9.95) return `${Number(seconds.toFixed(1))}s`;
  const whole = Math.round(seconds);
  if (whole < MINUTE) return `${whole}s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)}m ${twoDigits(whole % MINUTE)}s`;
  if (whole < DAY) return `${Math.floor(whole / HOUR)}h ${twoDigits(Math.floor((whole % HOUR) / MINUTE))}m`;
  return `${Math.floor(whole / DAY)}d ${twoDigits(Math.floor((whole % DAY) / HOUR))}h`;
}

const SIZE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** Bytes as `512 B`, `101.4 GiB`. */
export function formatSize(bytes: number | undefined): string {
  if (bytes === undefined || !Number.isFinite(bytes)) return '';
  let value = bytes;
  for (const unit of SIZE_UNITS) {
    const text = unit === 'B' ? String(value) : value.toFixed(1);
    if (Math.abs(Number(text)) < 1024 || unit === SIZE_UNITS.at(-1)) return `${text} ${unit}`;
    value /= 1024;
  }
  return '';
}

/** Unix seconds as local time, `2026-03-09 14:05:59`. Nothing for none. */
export function formatTime(unixSeconds: number | undefined): string {
  if (unixSeconds === undefined || unixSeconds === 0) return '';
  const date = new Date(unixSeconds * 1000);
  if (Number.isNaN(date.getTime())) return '';
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()].map(twoDigits).join('-');
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(':')}`;
}

/** How long ago Unix seconds were, `3m 12s`. Nothing for none; what lies ahead counts as now. */
export function formatAge(unixSeconds: number | undefined, nowMs: number): string {
  if (unixSeconds === undefined || unixSeconds === 0) return '';
  return formatDuration(Math.max(0, Math.round(nowMs / 1000 - unixSeconds)));
}

/** 0 to 100 as `45.2%`. */
export function formatPercent(percent: number | undefined): string {
  return percent === undefined || !Number.isFinite(percent) ? '' : `${percent.toFixed(1)}%`;
}

/** Text from elsewhere, safe to print: line breaks and tabs become spaces, other control characters are shown as `�`. */
export function printable(text: string): string {
  return text.replaceAll(/[\t\r\n\u2028\u2029]+/g, ' ').replaceAll(/[\p{Cc}\p{Cf}\p{Cs}]/gu, '\u{FFFD}');
}

/** `NAME: WHY`, one line whatever is in either. */
export function namedLine(name: string, why: string): string {
  return printable(`${name}: ${why}`);
}

/** Lines as a message has them, without what a terminal obeys. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/** `kind forbidden, denied_calls 3`: the fields of an event's data. */
export function formatFields(
  fields: Readonly<Record<string, unknown>>,
  format: (name: string, value: unknown) => string = (_name, value) =>
    typeof value === 'string' ? value || NO_TEXT : JSON.stringify(value),
): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name} ${format(name, value)}`)
    .join(', ');
}

/** Stands for a text that is empty. */
export const NO_TEXT = '(none)';

/** Where floats of the wire lose their noise (12.34 instead of 12.34000015258789). Bigger numbers are times and sizes. */
const LARGEST_FLOAT = 2 ** 23;

/** JSON on one line. A single precision number is written with the digits that say it, not with those of its double. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'number' ? shortest(item) : item));
}

function shortest(value: number): number {
  if (Number.isInteger(value) || Math.abs(value) >= LARGEST_FLOAT || Math.fround(value) !== value)
    return value;
  const short = Number(value.toPrecision(7));
  return Math.fround(short) === value ? short : value;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
