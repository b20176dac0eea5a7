import { fillRandom } from './platform.ts'

/** `n` bytes from the platform's cryptographic generator. */
export function randomBytes(n: number): Uint8Array {
  const out = new Uint8Array(n)
  fillRandom(out)
  return out
}
