/** Figures and times as people read them. */
import type { AsOf } from '../src/client/light-peer.ts'

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const

/** Bytes with a decimal unit: `1.5 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`
}

/** Day of a time in UTC: `2031-05-01`. */
export function formatDay(timeMs: number): string {
  return formatInstant(timeMs).slice(0, 10)
}

/** Time to the second in UTC: `2031-05-01 08:00:00Z`. A time that no calendar has is written as a number. */
export function formatInstant(timeMs: number): string {
  const date = new Date(timeMs)
  return Number.isNaN(date.getTime()) ? `${timeMs} ms` : `${date.toISOString().slice(0, 19).replace('T', ' ')}Z`
}

/** Length of time in the largest unit that says enough: `850 ms`, `1.3 s`, `12 s`, `3 min`, `2 h`, `5 d`. */
export function formatSpan(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} d`
}

/** Number and noun: `1 version`, `3 versions`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

/** When an answer was true, as `--json` prints it. */
export interface AsOfResult {
  height: number
  timeMs: number
  ageMs: number
  stale: boolean
}

export function asOfResult({ height, time, ageMs, stale }: AsOf): AsOfResult {
  return { height, timeMs: time, ageMs, stale }
}

/** Text of others, such as a name or a note, that is safe to print in one line. */
export function printable(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
}
