import { fillRandom } from './platform.ts'

/** `n` bytes from the platform's cryptographic generator. */
export function randomBytes(n: number): Uint8Array {
  const out = new Uint8Array(n)
  fillRandom(out)
  return out
}

/** A whole number from 0 to `bound` - 1, each as likely as the others; `bound` is at most 2^32. */
export function randomBelow(bound: number): number {
  const limit = 2 ** 32 - (2 ** 32 % bound)
  for (;;) {
    const bytes = randomBytes(4)
    const value = new DataView(bytes.buffer).getUint32(0)
    if (value < limit) return value % bound
  }
}
