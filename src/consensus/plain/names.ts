/** Names for what consensus knows by keys and hashes, so that tables can be written by hand; and the checks of what is written there. */
import { toHex, utf8 } from '../../encoding/bytes.ts'
import { EpioneError } from '../../encoding/errors.ts'
import { MAX_ROUND } from '../../ledger/certificate.ts'
import type { ValidatorSet } from '../../ledger/header.ts'
import { MAX_VALIDATORS } from '../../ledger/limits.ts'

/** A validator of a table. */
export interface PlainValidator {
  /** 1 to 32 bytes of UTF-8. */
  readonly name: string
  /** Voting weight, an integer from 1; 1 where none is given. */
  readonly power?: number
}

const NAME_BYTES = 32

function refuse(code: 'consensus-setup' | 'consensus-input', sentence: string): never {
  throw new EpioneError(code, sentence)
}

export function badInput(sentence: string): never {
  return refuse('consensus-input', sentence)
}

export function badSetup(sentence: string): never {
  return refuse('consensus-setup', sentence)
}

function isName(name: unknown): name is string {
  return typeof name === 'string' && name !== '' && name.isWellFormed() && !name.includes('\0') && utf8(name).length <= NAME_BYTES
}

/** The 32 bytes that stand for a name: its UTF-8 and zeros. */
export function bytesOf(name: unknown, what: string): Uint8Array {
  if (!isName(name)) return badInput(`${what} must be a name of 1 to ${NAME_BYTES} bytes without NUL, not ${JSON.stringify(name)}.`)
  const bytes = new Uint8Array(NAME_BYTES)
  bytes.set(utf8(name))
  return bytes
}

/** The name behind bytes that {@link bytesOf} made. */
export function nameOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(end < 0 ? bytes : bytes.subarray(0, end))
  } catch {
    return toHex(bytes)
  }
}

/** The set of a table's validators, in the order in which they are given. */
export function setOf(validators: unknown, since: number): ValidatorSet {
  if (!Array.isArray(validators) || validators.length === 0 || validators.length > MAX_VALIDATORS) {
    return badSetup(`There are 1 to ${MAX_VALIDATORS} validators.`)
  }
  const names = new Set<string>()
  const set = (validators as readonly PlainValidator[]).map(({ name, power = 1 }) => {
    if (!isName(name)) return badSetup(`A validator has a name of 1 to ${NAME_BYTES} bytes without NUL, not ${JSON.stringify(name)}.`)
    if (names.has(name)) return badSetup(`There are two validators "${name}".`)
    if (!Number.isSafeInteger(power) || power < 1 || power > 1_000_000_000) badSetup(`The power of "${name}" is an integer from 1.`)
    names.add(name)
    return { publicKey: bytesOf(name, 'name'), power }
  })
  return { validators: set, since }
}

export function checkRound(round: unknown, what = 'round', lowest = 0): number {
  if (!Number.isSafeInteger(round) || (round as number) < lowest || (round as number) > MAX_ROUND) {
    badInput(`${what} must be an integer from ${lowest} to ${MAX_ROUND}, not ${JSON.stringify(round)}.`)
  }
  return round as number
}

export function checkHeight(height: unknown): number {
  if (!Number.isSafeInteger(height) || (height as number) < 1) badInput(`height must be an integer from 1, not ${JSON.stringify(height)}.`)
  return height as number
}

export function checkOneOf<const T extends string>(value: unknown, what: string, allowed: readonly T[]): T {
  if (!allowed.includes(value as T)) badInput(`${what} must be one of ${allowed.join(', ')}, not ${JSON.stringify(value)}.`)
  return value as T
}
