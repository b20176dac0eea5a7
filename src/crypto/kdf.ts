import { concat, utf8 } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { hmacSha256, scryptSha256 } from './platform.ts'

/** Cost of scrypt (RFC 7914): memory is 128 * N * r bytes, time grows with N * r * p. */
export interface ScryptParameters {
  /** A power of two above 1. */
  readonly N: number
  readonly r: number
  readonly p: number
}

const EMPTY = new Uint8Array(0)

/**
 * HKDF-SHA-256 (RFC 5869): `length` bytes, at most 8160, from the secret `ikm`. `info` separates the uses of one secret.
 * An empty salt stands for 32 zero bytes, as in the RFC.
 */
export function hkdf(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  return hkdfExpand(hmacSha256(salt, ikm), info, length)
}

/** HKDF-Expand of RFC 5869 section 2.3, for key schedules that extract on their own. */
export function hkdfExpand(key: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  if (!Number.isInteger(length) || length < 1 || length > 255 * 32) {
    throw new EpioneError('length-invalid', 'HKDF-SHA-256 gives 1 to 8160 bytes', { metadata: { length } })
  }
  const out = new Uint8Array(length)
  let previous: Uint8Array = EMPTY
  for (let offset = 0, counter = 1; offset < length; offset += 32, counter++) {
    previous = hmacSha256(key, concat(previous, info, Uint8Array.of(counter)))
    out.set(previous.subarray(0, length - offset), offset)
  }
  return out
}

/**
 * Key from a passphrase by scrypt (RFC 7914), off the event loop. The passphrase is normalised to NFKC first, so that the
 * same text typed on different keyboards gives the same key. Parameters that come from a file must be bounded by the caller.
 */
export function scryptKey(passphrase: string, salt: Uint8Array, params: ScryptParameters, length: number): Promise<Uint8Array> {
  return scryptSha256(utf8(passphrase.normalize('NFKC')), salt, params, length)
}
