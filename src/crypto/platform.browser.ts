/**
 * What `platform.ts` is in Node, for browsers: hashes, key derivation and symmetric encryption, by WebCrypto where it may take its
 * time and by `@noble/hashes` and `@noble/ciphers` where an answer is needed at once. Signatures and the agreement of keys are not
 * among them: a bundle of what needs these is refused when it is built, with the name of what is missing.
 */
import { ctr, gcm } from '@noble/ciphers/aes.js'
import { hmac } from '@noble/hashes/hmac.js'
import { scryptAsync } from '@noble/hashes/scrypt.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { shake256 as nobleShake256, sha3_256 } from '@noble/hashes/sha3.js'

/** Tag of every AEAD in epione, in bytes. */
export const AEAD_TAG_LENGTH = 16

/** Most random bytes that a browser gives at once. */
const RANDOM_AT_ONCE = 65_536

export function fillRandom(out: Uint8Array): void {
  for (let at = 0; at < out.length; at += RANDOM_AT_ONCE) crypto.getRandomValues(plain(out.subarray(at, at + RANDOM_AT_ONCE)))
}

/** Equality in time that does not depend on the contents; lengths are public. */
export function constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number)
  return difference === 0
}

/** HMAC-SHA-256 (RFC 2104) over the parts in order. */
export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const state = hmac.create(sha256, key)
  for (const part of parts) state.update(part)
  return state.digest()
}

/** SHAKE256 (FIPS 202). */
export function shake256(bytes: Uint8Array, length: number): Uint8Array {
  return nobleShake256(bytes, { dkLen: length })
}

/** SHA3-256 (FIPS 202) over the parts in order. */
export function sha3(...parts: readonly Uint8Array[]): Uint8Array {
  const state = sha3_256.create()
  for (const part of parts) state.update(part)
  return state.digest()
}

/** scrypt (RFC 7914), in pieces between which the page stays alive. Callers bound the parameters. */
export async function scryptSha256(
  password: Uint8Array,
  salt: Uint8Array,
  { N, r, p }: { readonly N: number; readonly r: number; readonly p: number },
  length: number,
): Promise<Uint8Array> {
  return await scryptAsync(password, salt, { N, r, p, dkLen: length, maxmem: 128 * r * (N + p + 2) + 1024 * 1024 })
}

/** AES-256-GCM: ciphertext followed by the tag. The nonce must be fresh for the key. */
export function aesGcmSeal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  return gcm(key, nonce, aad).encrypt(plaintext)
}

/** Inverse of {@link aesGcmSeal}; `undefined` where key, nonce, associated data or ciphertext do not belong together. */
export function aesGcmOpen(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < AEAD_TAG_LENGTH) return undefined
  try {
    return gcm(key, nonce, aad).decrypt(sealed)
  } catch {
    return undefined
  }
}

/** AES-256-GCM of one object's chunks under one key, by WebCrypto: many times faster than what answers at once. */
export function chunkCipher(key: Uint8Array): {
  seal(nonce: Uint8Array, plaintext: Uint8Array): Promise<Uint8Array>
  open(nonce: Uint8Array, sealed: Uint8Array): Promise<Uint8Array | undefined>
} {
  const imported = crypto.subtle.importKey('raw', plain(key.slice()), 'AES-GCM', false, ['encrypt', 'decrypt'])
  // Whoever seals or opens is told; nobody may.
  imported.catch(() => undefined)
  const parameters = (nonce: Uint8Array): AesGcmParams => ({ name: 'AES-GCM', iv: plain(nonce), tagLength: 8 * AEAD_TAG_LENGTH })
  return {
    seal: async (nonce, plaintext) => new Uint8Array(await crypto.subtle.encrypt(parameters(nonce), await imported, plain(plaintext))),
    open: async (nonce, sealed) => {
      const opener = await imported
      try {
        return new Uint8Array(await crypto.subtle.decrypt(parameters(nonce), opener, plain(sealed)))
      } catch {
        return undefined
      }
    },
  }
}

/** AES-256-CTR keystream of `length` bytes from the 16-byte block at `block` on; the key is for this stream alone. */
export function aesCtrKeystream(key: Uint8Array, block: number, length: number): Uint8Array {
  const counter = new Uint8Array(16)
  new DataView(counter.buffer).setBigUint64(8, BigInt(block))
  return ctr(key, counter).encrypt(new Uint8Array(length))
}

/** WebCrypto takes no shared memory; nothing here is in any. */
function plain(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>
}
