/**
 * The one file of this folder that touches the platform (beside the keystore, which is for Node alone): primitives by
 * node:crypto. Everything else in the folder is written against these functions. Browsers take `platform.browser.ts` in its place.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  decapsulate,
  diffieHellman,
  encapsulate,
  generateKeyPairSync,
  hash,
  type KeyObject,
  randomFillSync,
  scrypt,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto'
import { concat } from '../encoding/bytes.ts'

/** A key that the platform holds; what is inside does not leave it. */
export type PlatformKey = KeyObject

/** Tag of every AEAD in epione, in bytes. */
export const AEAD_TAG_LENGTH = 16

const NO_AAD = new Uint8Array(0)

/** Block of SHA-256, in bytes. */
const HMAC_BLOCK = 64

/** The same bytes without the Buffer class, for Buffer never appears in a public signature. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

export function fillRandom(out: Uint8Array): void {
  randomFillSync(out)
}

/** Equality in time that does not depend on the contents; lengths are public. */
export function constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

/**
 * HMAC-SHA-256 (RFC 2104) over the parts in order. Two one-shot hashes are several times faster than the platform's HMAC
 * object on the short inputs of key derivation, for which this is meant: the parts are copied.
 */
export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const block = key.length > HMAC_BLOCK ? hash('sha256', key, 'buffer') : key
  const inner = concat(new Uint8Array(HMAC_BLOCK), ...parts)
  const outer = new Uint8Array(HMAC_BLOCK + 32)
  for (let i = 0; i < HMAC_BLOCK; i++) {
    const byte = i < block.length ? (block[i] as number) : 0
    inner[i] = byte ^ 0x36
    outer[i] = byte ^ 0x5c
  }
  outer.set(hash('sha256', inner, 'buffer'), HMAC_BLOCK)
  return plain(hash('sha256', outer, 'buffer'))
}

/** SHAKE256 (FIPS 202). */
export function shake256(bytes: Uint8Array, length: number): Uint8Array {
  return plain(createHash('shake256', { outputLength: length }).update(bytes).digest())
}

/** SHA3-256 (FIPS 202) over the parts in order. */
export function sha3(...parts: readonly Uint8Array[]): Uint8Array {
  const state = createHash('sha3-256')
  for (const part of parts) state.update(part)
  return plain(state.digest())
}

/** scrypt (RFC 7914), off the event loop. `maxmem` follows from the parameters: callers bound them. */
export function scryptSha256(
  password: Uint8Array,
  salt: Uint8Array,
  params: { readonly N: number; readonly r: number; readonly p: number },
  length: number,
): Promise<Uint8Array> {
  const { N, r, p } = params
  return new Promise((resolve, reject) => {
    scrypt(password, salt, length, { N, r, p, maxmem: 128 * r * (N + p + 2) + 1024 * 1024 }, (error, key) => {
      if (error === null) resolve(plain(key))
      else reject(error)
    })
  })
}

/** AES-256-GCM: ciphertext followed by the tag. The nonce must be fresh for the key. */
export function aesGcmSeal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: AEAD_TAG_LENGTH })
  if (aad.length > 0) cipher.setAAD(aad)
  const out = new Uint8Array(plaintext.length + AEAD_TAG_LENGTH)
  out.set(cipher.update(plaintext))
  cipher.final()
  out.set(cipher.getAuthTag(), plaintext.length)
  return out
}

/** Inverse of {@link aesGcmSeal}; `undefined` where key, nonce, associated data or ciphertext do not belong together. */
export function aesGcmOpen(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < AEAD_TAG_LENGTH) return undefined
  const end = sealed.length - AEAD_TAG_LENGTH
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: AEAD_TAG_LENGTH })
  if (aad.length > 0) decipher.setAAD(aad)
  decipher.setAuthTag(sealed.subarray(end))
  const out = plain(decipher.update(sealed.subarray(0, end)))
  try {
    decipher.final()
  } catch {
    return undefined
  }
  return out
}

/** AES-256-GCM of one object's chunks under one key. What it gives may come later: browsers have no other AES that is fast. */
export function chunkCipher(key: Uint8Array): {
  seal(nonce: Uint8Array, plaintext: Uint8Array): Uint8Array | Promise<Uint8Array>
  open(nonce: Uint8Array, sealed: Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined>
} {
  return {
    seal: (nonce, plaintext) => aesGcmSeal(key, nonce, NO_AAD, plaintext),
    open: (nonce, sealed) => aesGcmOpen(key, nonce, NO_AAD, sealed),
  }
}

/** AES-256-CTR keystream of `length` bytes from the 16-byte block at `block` on; the key is for this stream alone. */
export function aesCtrKeystream(key: Uint8Array, block: number, length: number): Uint8Array {
  const counter = new Uint8Array(16)
  new DataView(counter.buffer).setBigUint64(8, BigInt(block))
  return plain(createCipheriv('aes-256-ctr', key, counter).update(new Uint8Array(length)))
}

function hex(text: string): Uint8Array {
  return plain(Buffer.from(text, 'hex'))
}

// Fixed DER that opens a raw key: SubjectPublicKeyInfo for public keys (RFC 5280), PKCS #8 for private ones (RFC 5958).
// Object identifiers: Ed25519 and X25519 by RFC 8410, ML-KEM by RFC 9935 (private key in its 64-byte seed form).
const ED25519_SPKI = hex('302a300506032b6570032100')
const ED25519_PKCS8 = hex('302e020100300506032b657004220420')
const X25519_SPKI = hex('302a300506032b656e032100')
const X25519_PKCS8 = hex('302e020100300506032b656e04220420')
const MLKEM768_SPKI = hex('308204b2300b0609608648016503040402038204a100')
const MLKEM768_PKCS8 = hex('3054020100300b060960864801650304040204428040')
const MLKEM1024_SPKI = hex('30820632300b06096086480165030404030382062100')
const MLKEM1024_PKCS8 = hex('3054020100300b060960864801650304040304428040')

function importPublic(prefix: Uint8Array, raw: Uint8Array): PlatformKey {
  return createPublicKey({ key: Buffer.from(concat(prefix, raw).buffer), format: 'der', type: 'spki' })
}

function importPrivate(prefix: Uint8Array, raw: Uint8Array): PlatformKey {
  const der = concat(prefix, raw)
  try {
    return createPrivateKey({ key: Buffer.from(der.buffer), format: 'der', type: 'pkcs8' })
  } finally {
    der.fill(0)
  }
}

function exportPublic(prefix: Uint8Array, key: PlatformKey): Uint8Array {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  return new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })).slice(prefix.length)
}

export function ed25519PrivateKey(seed: Uint8Array): PlatformKey {
  return importPrivate(ED25519_PKCS8, seed)
}

export function ed25519PublicKey(raw: Uint8Array): PlatformKey {
  return importPublic(ED25519_SPKI, raw)
}

export function ed25519RawPublicKey(key: PlatformKey): Uint8Array {
  return exportPublic(ED25519_SPKI, key)
}

export function ed25519Sign(key: PlatformKey, message: Uint8Array): Uint8Array {
  return plain(sign(null, message, key))
}

export function ed25519Verify(key: PlatformKey, message: Uint8Array, signature: Uint8Array): boolean {
  return verify(null, message, key, signature)
}

/** Runs on the thread pool; the platform copies message and signature before this returns. */
export function ed25519VerifyAsync(key: PlatformKey, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  return new Promise((resolve, reject) => {
    verify(null, message, key, signature, (error, valid) => {
      if (error === null) resolve(valid)
      else reject(error)
    })
  })
}

export function x25519PrivateKey(raw: Uint8Array): PlatformKey {
  return importPrivate(X25519_PKCS8, raw)
}

export function x25519PublicKey(raw: Uint8Array): PlatformKey {
  return importPublic(X25519_SPKI, raw)
}

export function x25519RawPublicKey(key: PlatformKey): Uint8Array {
  return exportPublic(X25519_SPKI, key)
}

/** Fresh key pair for one exchange, the public key in bytes. */
export function x25519Ephemeral(): { privateKey: PlatformKey; publicKey: Uint8Array } {
  const { privateKey, publicKey } = generateKeyPairSync('x25519')
  return { privateKey, publicKey: x25519RawPublicKey(publicKey) }
}

/** X25519 (RFC 7748). @throws where the peer's point is of small order and the result would be all zero. */
export function x25519(privateKey: PlatformKey, publicKey: PlatformKey): Uint8Array {
  return plain(diffieHellman({ privateKey, publicKey }))
}

/** ML-KEM-768 (FIPS 203) private key from its 64-byte seed `d || z`. */
export function mlkem768PrivateKey(seed: Uint8Array): PlatformKey {
  return importPrivate(MLKEM768_PKCS8, seed)
}

/** @throws where the bytes fail FIPS 203's check of an encapsulation key. */
export function mlkem768PublicKey(raw: Uint8Array): PlatformKey {
  return importPublic(MLKEM768_SPKI, raw)
}

export function mlkem768RawPublicKey(key: PlatformKey): Uint8Array {
  return exportPublic(MLKEM768_SPKI, key)
}

export function mlkemEncapsulate(key: PlatformKey): { sharedSecret: Uint8Array; ciphertext: Uint8Array } {
  const { sharedKey, ciphertext } = encapsulate(key)
  return { sharedSecret: plain(sharedKey), ciphertext: plain(ciphertext) }
}

export function mlkemDecapsulate(key: PlatformKey, ciphertext: Uint8Array): Uint8Array {
  return plain(decapsulate(key, ciphertext))
}

/** ML-KEM-1024 (FIPS 203) private key from its 64-byte seed `d || z`. */
export function mlkem1024PrivateKey(seed: Uint8Array): PlatformKey {
  return importPrivate(MLKEM1024_PKCS8, seed)
}

/** @throws where the bytes fail FIPS 203's check of an encapsulation key. */
export function mlkem1024PublicKey(raw: Uint8Array): PlatformKey {
  return importPublic(MLKEM1024_SPKI, raw)
}

export function mlkem1024RawPublicKey(key: PlatformKey): Uint8Array {
  return exportPublic(MLKEM1024_SPKI, key)
}
