/**
 * The one file of this folder's browser-safe modules that touches the platform. Byte strings that live long in memory are
 * kept as one-byte ("latin1") strings: one immutable heap object of 16 bytes plus the content, where a Uint8Array costs
 * some 200 bytes more and a pooled Buffer keeps its whole slab alive.
 */
import { hash } from 'node:crypto'

/** One character per byte. */
export function bytesToLatin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

/** The bytes of a one-byte string, in memory of their own. */
export function latin1ToBytes(text: string): Uint8Array {
  const out = new Uint8Array(text.length)
  Buffer.from(out.buffer).write(text, 'latin1')
  return out
}

/** SHA-256 of all parts in a row, each part and the result as a one-byte string. */
export function sha256Latin1(...parts: readonly string[]): string {
  let length = 0
  for (const part of parts) length += part.length
  const bytes = length <= scratch.length ? scratch : Buffer.allocUnsafe(length)
  let offset = 0
  for (const part of parts) {
    bytes.write(part, offset, part.length, 'latin1')
    offset += part.length
  }
  return hash('sha256', length === bytes.length ? bytes : bytes.subarray(0, length), 'binary')
}

const innerScratch = Buffer.alloc(65)
innerScratch[0] = 1
const scratch = Buffer.alloc(1024)

/** SHA-256(01 || left || right), all as one-byte strings: the hot path of the state tree. */
export function innerHashLatin1(left: string, right: string): string {
  innerScratch.write(left, 1, 32, 'latin1')
  innerScratch.write(right, 33, 32, 'latin1')
  return hash('sha256', innerScratch, 'binary')
}
