/** Parsers of options and arguments. They throw what commander turns into a usage error. */
import { InvalidArgumentError } from 'commander'
import type { Checkpoint } from '../src/client/trust.ts'
import { parseHex } from '../src/encoding/bytes.ts'

const UNITS_MS: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3, w: 7 * 86_400e3, y: 365 * 86_400e3 }

/** Milliseconds of a duration such as `90s`, `15m`, `12h`, `30d`, `2w`, `1y`. */
export function parseDuration(text: string): number {
  const [, digits, unit] = /^(\d{1,9})([smhdwy])$/.exec(text) ?? []
  if (digits === undefined || unit === undefined) throw new InvalidArgumentError('Give a number and s, m, h, d, w or y, such as 30d.')
  return Number(digits) * UNITS_MS[unit]!
}

/** Milliseconds since the epoch of an ISO 8601 date (midnight UTC) or date and time with a zone. */
export function parseInstant(text: string): number {
  const shape = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/
  const time = shape.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(time)) throw new InvalidArgumentError('Give a date such as 2031-05-01 or a time such as 2031-05-01T08:00:00Z.')
  // Date.parse moves 31 April to May; a date that does not exist is no date.
  const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})/.exec(text)!.map(Number)
  if (day! > new Date(Date.UTC(year!, month!, 0)).getUTCDate()) throw new InvalidArgumentError('That day does not exist.')
  return time
}

/** An end: a date or time as {@link parseInstant}, or a length from now as {@link parseDuration}. */
export function parseEnd(text: string): { atMs: number } | { lengthMs: number } {
  if (/^\d{4}-/.test(text)) return { atMs: parseInstant(text) }
  if (/^\d+[a-z]$/.test(text)) return { lengthMs: parseDuration(text) }
  throw new InvalidArgumentError('Give a date such as 2031-05-01, or a length such as 30d.')
}

/** A parser of whole numbers from `min` to `max`, both included. */
export function parseInteger(min: number, max: number): (text: string) => number {
  return text => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max)) throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`)
    return value
  }
}

/** An id as the program prints them: 64 hex digits, in lower case. */
export function parseId(text: string): string {
  if (!/^[0-9a-f]{64}$/i.test(text)) throw new InvalidArgumentError('Give an id of 64 hex digits.')
  return text.toLowerCase()
}

/** A media type such as `application/pdf`. */
export function parseMediaType(text: string): string {
  if (!/^[a-z0-9][a-z0-9!#$&^_.+-]{0,63}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}$/i.test(text)) {
    throw new InvalidArgumentError('Give a media type such as application/pdf.')
  }
  return text.toLowerCase()
}

/** ISO 3166-1 alpha-2 code of a country, in upper case. */
export function parseJurisdiction(text: string): string {
  if (!/^[a-z]{2}$/i.test(text)) throw new InvalidArgumentError('Give a country by its two letters, such as KE.')
  return text.toUpperCase()
}

/** Collects the values of an option that may be given several times. */
export function collect(text: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), text]
}

/** One of a fixed set of words, of which help names but some. */
export function parseChoice(choices: readonly string[]): (text: string) => string {
  return text => {
    if (!choices.includes(text)) throw new InvalidArgumentError(`Allowed choices are ${choices.join(', ')}.`)
    return text
  }
}

/** As {@link collect}, each value one of `choices`. */
export function collectChoice(choices: readonly string[]): (text: string, previous: readonly string[] | undefined) => readonly string[] {
  return (text, previous) => {
    if (!choices.includes(text)) throw new InvalidArgumentError(`Allowed choices are ${choices.join(', ')}.`)
    return collect(text, previous)
  }
}

/** A role as organisations name them: lower-case words joined by hyphens. */
export function parseRole(text: string): string {
  if (!/^[a-z][a-z0-9-]{0,63}$/.test(text)) throw new InvalidArgumentError('Give lower-case words joined by hyphens, such as head-nurse.')
  return text
}

/** A header that somebody trusts: its height, a colon, and its hash in hex. */
export function parseCheckpoint(text: string): Checkpoint {
  const [, height, hex] = /^(\d{1,15}):([0-9a-f]{64})$/i.exec(text) ?? []
  const headerHash = parseHex(hex?.toLowerCase() ?? '')
  if (height === undefined || headerHash === undefined) {
    throw new InvalidArgumentError('Give the height of a block, a colon and the 64 hex digits of its hash.')
  }
  return { height: Number(height), headerHash }
}

/** Name of a node of a testnet, given as `node2` or `2`. */
export function parseNode(text: string): string {
  const [, number] = /^(?:node)?(\d{1,2})$/.exec(text) ?? []
  if (number === undefined) throw new InvalidArgumentError('Name a node, such as node2.')
  return `node${Number(number)}`
}

/** Groups of nodes such as `1,2|3,4`. */
export function parseGroups(text: string): string[][] {
  return text.split('|').map(group => group.split(',').map(name => parseNode(name.trim())))
}

/** Milliseconds of a short span such as `100ms`, `2s` or `0`. */
export function parseShortSpan(text: string): number {
  const [, digits, unit] = /^\+?(\d{1,8})(ms|s|m|h)$/.exec(text) ?? []
  if (digits !== undefined) return Number(digits) * (unit === 'ms' ? 1 : UNITS_MS[unit as string]!)
  if (/^\+?0$/.test(text)) return 0
  throw new InvalidArgumentError('Give a number and ms, s, m or h, such as 100ms.')
}

/** A share from 0 to 1 of a percentage such as `5%`. */
export function parsePercentage(text: string): number {
  const [, digits] = /^(\d{1,3}(?:\.\d{1,3})?)%?$/.exec(text) ?? []
  if (digits === undefined || Number(digits) > 100) throw new InvalidArgumentError('Give a percentage such as 5%.')
  return Number(digits) / 100
}
