/** What `platform.ts` is in Node, for browsers. */
import { sha256 } from '@noble/hashes/sha2.js'

/** Bytes that are turned into characters at once: more arguments than a call can have otherwise. */
const AT_ONCE = 8192

/** One character per byte. */
export function bytesToLatin1(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += AT_ONCE) text += String.fromCharCode(...bytes.subarray(at, at + AT_ONCE))
  return text
}

/** The bytes of a one-byte string, in memory of their own. */
export function latin1ToBytes(text: string): Uint8Array {
  const out = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i)
  return out
}

/** SHA-256 of all parts in a row, each part and the result as a one-byte string. */
export function sha256Latin1(...parts: readonly string[]): string {
  const state = sha256.create()
  for (const part of parts) state.update(latin1ToBytes(part))
  return bytesToLatin1(state.digest())
}

/** SHA-256(01 || left || right), all as one-byte strings. */
export function innerHashLatin1(left: string, right: string): string {
  return sha256Latin1('\x01', left, right)
}
