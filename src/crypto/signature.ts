/**
 * Ed25519 (RFC 8032) under one stated rule, so that every node gives the same verdict whatever library computes it:
 * the cofactorless equation `[S]B = R + [k]A`; A and R are canonical encodings of points that are not of small order;
 * S is below the group order L. All but the equation is decided here on the bytes, before a backend sees them.
 */
import { EpioneError } from '../encoding/errors.ts'
import { KeyCache } from './key-cache.ts'
import {
  ed25519PrivateKey,
  ed25519PublicKey,
  ed25519RawPublicKey,
  ed25519Sign,
  ed25519Verify,
  ed25519VerifyAsync,
  type PlatformKey,
} from './platform.ts'
import { randomBytes } from './random.ts'

export const SIGNATURE_PUBLIC_KEY_LENGTH = 32
export const SIGNATURE_LENGTH = 64
export const SIGNING_SEED_LENGTH = 32

/** A private key that signs; the seed does not leave it. */
export interface SigningKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** 64 bytes, deterministic. The message must open with a domain (`encoding/hash.ts`). */
  sign(message: Uint8Array): Uint8Array
}

/** A fresh 32-byte seed. */
export function generateSigningSeed(): Uint8Array {
  return randomBytes(SIGNING_SEED_LENGTH)
}

/** Signing key of a 32-byte seed (the private key of RFC 8032). The seed is not kept: the caller may clear it. */
export function signingKeyFromSeed(seed: Uint8Array): SigningKey {
  if (seed.length !== SIGNING_SEED_LENGTH) {
    throw new EpioneError('seed-length', `a signing seed has ${SIGNING_SEED_LENGTH} bytes`, { metadata: { length: seed.length } })
  }
  const key = ed25519PrivateKey(seed)
  return { publicKey: ed25519RawPublicKey(key), sign: message => ed25519Sign(key, message) }
}

/** Whether the signature is valid under the rule above. Never throws; wrong lengths are simply invalid. */
export function verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = admit(publicKey, signature)
  if (key === null) return false
  try {
    return ed25519Verify(key, message, signature)
  } catch {
    return false
  }
}

/** As {@link verifySignature}, on the thread pool: for many signatures, or where the event loop must not wait. */
export async function verifySignatureAsync(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  const key = admit(publicKey, signature)
  if (key === null) return false
  try {
    return await ed25519VerifyAsync(key, message, signature)
  } catch {
    return false
  }
}

/** Whether 32 bytes may be a public key: canonical and not of small order. (That they are on the curve, the equation shows.) */
export function isAdmissiblePublicKey(publicKey: Uint8Array): boolean {
  return publicKey.length === SIGNATURE_PUBLIC_KEY_LENGTH && isAdmissiblePoint(publicKey, 0)
}

/** Importing a key costs a third of a verification. */
const imported = new KeyCache<PlatformKey | null>(4096)

/** The key to verify with, where key and signature pass the byte checks. */
function admit(publicKey: Uint8Array, signature: Uint8Array): PlatformKey | null {
  if (publicKey.length !== SIGNATURE_PUBLIC_KEY_LENGTH || signature.length !== SIGNATURE_LENGTH) return null
  if (!isAdmissiblePoint(signature, 0) || !isReducedScalar(signature, 32)) return null
  return imported.get(publicKey, () => {
    if (!isAdmissiblePoint(publicKey, 0)) return null
    try {
      return ed25519PublicKey(publicKey)
    } catch {
      return null
    }
  })
}

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n))
}

const FIELD_PRIME = littleEndian(2n ** 255n - 19n)
const GROUP_ORDER = littleEndian(2n ** 252n + 27742317777372353535851937790883648493n)

/**
 * y of the eight points of small order: orders 4, 1 and 2, and the two y of order 8, which add up to p; each y but +-1 belongs
 * to two points, whose x differ in sign.
 * A y of 0 or +-1 covers the encodings that are non-canonical by their sign bit alone, too: x = 0 has no negative.
 */
const SMALL_ORDER_Y: readonly Uint8Array[] = [
  littleEndian(0n),
  littleEndian(1n),
  littleEndian(2n ** 255n - 20n),
  littleEndian(2707385501144840649318225287225658788936804267575313519463743609750303402022n),
  littleEndian(55188659117513257062467267217118295137698188065244968500265048394206261417927n),
]

/** `bytes[offset..offset+32] < bound`, both little-endian; `topMask` clears the sign bit of a point. Public data, not constant-time. */
function below(bytes: Uint8Array, offset: number, bound: Uint8Array, topMask: number): boolean {
  for (let i = 31; i >= 0; i--) {
    const byte = (bytes[offset + i] as number) & (i === 31 ? topMask : 0xff)
    const limit = bound[i] as number
    if (byte !== limit) return byte < limit
  }
  return false
}

function isReducedScalar(bytes: Uint8Array, offset: number): boolean {
  return below(bytes, offset, GROUP_ORDER, 0xff)
}

function isAdmissiblePoint(bytes: Uint8Array, offset: number): boolean {
  if (!below(bytes, offset, FIELD_PRIME, 0x7f)) return false
  for (const y of SMALL_ORDER_Y) {
    let i = 0
    while (i < 31 && bytes[offset + i] === y[i]) i++
    if (i === 31 && ((bytes[offset + 31] as number) & 0x7f) === y[31]) return false
  }
  return true
}
