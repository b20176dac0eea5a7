import { EpioneError } from '../encoding/errors.ts'
import { aesCtrKeystream } from './platform.ts'

/** Length of a keystream's blocks, in bytes. */
export const KEYSTREAM_BLOCK = 16

/**
 * Pseudorandom bytes under a 32-byte key: AES-256-CTR (NIST SP 800-38A) with a counter from 0. The same key gives the same bytes, so
 * that a key hides one content alone. @param offset where to begin, a multiple of {@link KEYSTREAM_BLOCK}
 */
export function keystream(key: Uint8Array, offset: number, length: number): Uint8Array {
  if (offset % KEYSTREAM_BLOCK !== 0) throw new EpioneError('offset-invalid', 'a keystream is read from whole blocks on')
  return aesCtrKeystream(key, offset / KEYSTREAM_BLOCK, length)
}
