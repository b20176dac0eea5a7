/** What `platform.ts` is in Node, for browsers: there SHA-256 without waiting is computed by `@noble/hashes`, for WebCrypto only has it later. */
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import type { HashStream } from './platform.ts'

/** SHA-256 (FIPS 180-4). */
export function sha256(bytes: Uint8Array): Uint8Array {
  return nobleSha256(bytes)
}

/** SHA-256 over several pieces, for inputs that arrive in chunks. */
export function sha256Stream(): HashStream {
  const state = nobleSha256.create()
  return {
    update: bytes => {
      state.update(bytes)
    },
    digest: () => state.digest(),
    digestSoFar: () => state.clone().digest(),
  }
}

const DIGITS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Lower-case hex. */
export function bytesToHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += DIGITS[byte] as string
  return text
}
