/**
 * What `platform.ts` is in Node, for browsers: by WebCrypto where it may take its time, and by the noble packages where an answer is
 * needed at once. Keys are bytes in the page's memory here; what WebCrypto holds and does not give out signs through a signer of its own.
 */
import { ctr, gcm } from '@noble/ciphers/aes.js'
import { ed25519, x25519 as nobleX25519 } from '@noble/curves/ed25519.js'
import { hmac } from '@noble/hashes/hmac.js'
import { scryptAsync } from '@noble/hashes/scrypt.js'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { shake256 as nobleShake256, sha3_256 } from '@noble/hashes/sha3.js'
import { ml_kem768, ml_kem1024 } from '@noble/post-quantum/ml-kem.js'

/** A key as this platform holds it. */
export interface PlatformKey {
  readonly kind: 'ed25519' | 'x25519' | 'mlkem768' | 'mlkem1024'
  /** The secret half, where it is there; of ML-KEM expanded. */
  readonly secret?: Uint8Array
  /** The public half as it is written. */
  readonly raw: Uint8Array
}

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

export function ed25519PrivateKey(seed: Uint8Array): PlatformKey {
  const secret = seed.slice()
  return { kind: 'ed25519', secret, raw: ed25519.getPublicKey(secret) }
}

/** @throws where the bytes are no point of the curve */
export function ed25519PublicKey(raw: Uint8Array): PlatformKey {
  ed25519.Point.fromBytes(raw)
  return { kind: 'ed25519', raw: raw.slice() }
}

export function ed25519RawPublicKey(key: PlatformKey): Uint8Array {
  return key.raw.slice()
}

export function ed25519Sign(key: PlatformKey, message: Uint8Array): Uint8Array {
  return ed25519.sign(message, secretOf(key))
}

/**
 * The equation without the cofactor, as `signature.ts` states it: noble's own `verify` has the cofactor in it, and so takes
 * signatures that other members refuse.
 */
export function ed25519Verify(key: PlatformKey, message: Uint8Array, signature: Uint8Array): boolean {
  const { Point } = ed25519
  const r = signature.subarray(0, 32)
  const k = Point.Fn.create(littleEndian(sha512.create().update(r).update(key.raw).update(message).digest()))
  const s = littleEndian(signature.subarray(32))
  // Public values: the time that this takes may depend on them.
  const expected = Point.BASE.multiplyUnsafe(s).add(Point.fromBytes(key.raw).multiplyUnsafe(k).negate())
  return constantTimeEqual(expected.toBytes(), r)
}

/** By WebCrypto, where the browser has Ed25519: its equation has no cofactor either. */
export async function ed25519VerifyAsync(key: PlatformKey, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  const { subtle } = crypto
  // What is judged is what was there when it was asked.
  const [said, signed] = [plain(message.slice()), plain(signature.slice())]
  let imported: CryptoKey
  try {
    imported = await subtle.importKey('raw', plain(key.raw), 'Ed25519', false, ['verify'])
  } catch {
    return ed25519Verify(key, said, signed)
  }
  return await subtle.verify('Ed25519', imported, signed, said)
}

export function x25519PrivateKey(raw: Uint8Array): PlatformKey {
  const secret = raw.slice()
  return { kind: 'x25519', secret, raw: nobleX25519.getPublicKey(secret) }
}

export function x25519PublicKey(raw: Uint8Array): PlatformKey {
  return { kind: 'x25519', raw: raw.slice() }
}

export function x25519RawPublicKey(key: PlatformKey): Uint8Array {
  return key.raw.slice()
}

/** Fresh key pair for one exchange, the public key in bytes. */
export function x25519Ephemeral(): { privateKey: PlatformKey; publicKey: Uint8Array } {
  const secret = new Uint8Array(32)
  fillRandom(secret)
  const privateKey = x25519PrivateKey(secret)
  secret.fill(0)
  return { privateKey, publicKey: privateKey.raw.slice() }
}

/** X25519 (RFC 7748). @throws where the peer's point is of small order and the result would be all zero. */
export function x25519(privateKey: PlatformKey, publicKey: PlatformKey): Uint8Array {
  return nobleX25519.getSharedSecret(secretOf(privateKey), publicKey.raw)
}

/** ML-KEM-768 (FIPS 203) private key from its 64-byte seed `d || z`. */
export function mlkem768PrivateKey(seed: Uint8Array): PlatformKey {
  const { secretKey, publicKey } = ml_kem768.keygen(seed.slice())
  return { kind: 'mlkem768', secret: secretKey, raw: publicKey }
}

/** @throws where the bytes fail FIPS 203's check of an encapsulation key. */
export function mlkem768PublicKey(raw: Uint8Array): PlatformKey {
  assertModuli(raw, 3)
  return { kind: 'mlkem768', raw: raw.slice() }
}

export function mlkem768RawPublicKey(key: PlatformKey): Uint8Array {
  return key.raw.slice()
}

export function mlkemEncapsulate(key: PlatformKey): { sharedSecret: Uint8Array; ciphertext: Uint8Array } {
  const { sharedSecret, cipherText } = kemOf(key).encapsulate(key.raw)
  return { sharedSecret, ciphertext: cipherText }
}

export function mlkemDecapsulate(key: PlatformKey, ciphertext: Uint8Array): Uint8Array {
  return kemOf(key).decapsulate(ciphertext, secretOf(key))
}

/** ML-KEM-1024 (FIPS 203) private key from its 64-byte seed `d || z`. */
export function mlkem1024PrivateKey(seed: Uint8Array): PlatformKey {
  const { secretKey, publicKey } = ml_kem1024.keygen(seed.slice())
  return { kind: 'mlkem1024', secret: secretKey, raw: publicKey }
}

/** @throws where the bytes fail FIPS 203's check of an encapsulation key. */
export function mlkem1024PublicKey(raw: Uint8Array): PlatformKey {
  assertModuli(raw, 4)
  return { kind: 'mlkem1024', raw: raw.slice() }
}

export function mlkem1024RawPublicKey(key: PlatformKey): Uint8Array {
  return key.raw.slice()
}

function kemOf({ kind }: PlatformKey): typeof ml_kem768 {
  if (kind !== 'mlkem768' && kind !== 'mlkem1024') throw new TypeError('not a key of ML-KEM')
  return kind === 'mlkem768' ? ml_kem768 : ml_kem1024
}

function secretOf({ secret }: PlatformKey): Uint8Array {
  if (secret === undefined) throw new TypeError('not a private key')
  return secret
}

/** FIPS 203 section 7.2: each coefficient of twelve bits is below q = 3329. */
function assertModuli(raw: Uint8Array, k: number): void {
  const end = 384 * k
  if (raw.length !== end + 32) throw new RangeError('an encapsulation key of another length')
  for (let i = 0; i < end; i += 3) {
    const [a, b, c] = [raw[i] as number, raw[i + 1] as number, raw[i + 2] as number]
    if ((a | ((b & 0x0f) << 8)) >= 3329 || ((b >> 4) | (c << 4)) >= 3329) throw new RangeError('an encapsulation key that is not reduced')
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number)
  return value
}

/** WebCrypto takes no shared memory; nothing here is in any. */
function plain(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>
}
