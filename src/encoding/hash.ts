import { concat, utf8 } from './bytes.ts'
import { sha256 } from './platform.ts'

export { type HashStream, sha256, sha256Stream } from './platform.ts'

/** Length in bytes of every hash in epione. */
export const HASH_LENGTH = 32

const prefixes = new Map<string, Uint8Array>()

/**
 * Bytes that open every hashed or signed message of one kind, so that no message of one kind is ever taken for another:
 * the UTF-8 of `epione/<tag>/1` and a NUL. Tags are constants of the code, so the cache is bounded by them.
 */
export function domain(tag: string): Uint8Array {
  let prefix = prefixes.get(tag)
  if (prefix === undefined) {
    prefix = utf8(`epione/${tag}/1\0`)
    prefixes.set(tag, prefix)
  }
  return prefix
}

/** SHA-256 over the domain of `tag` and the parts. Parts must be of fixed length or canonical CBOR, so that they cannot slide. */
export function taggedHash(tag: string, ...parts: readonly Uint8Array[]): Uint8Array {
  return sha256(concat(domain(tag), ...parts))
}
