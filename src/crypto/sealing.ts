/**
 * Sealing to a public key: HPKE (RFC 9180), base mode, single shot. The first byte of a public key and of a sealed message
 * names the suite, so that a later one can live beside this one.
 */
import { compareBytes, concat } from '../encoding/bytes.ts'
import { EpioneError, MalformedError } from '../encoding/errors.ts'
import { domain } from '../encoding/hash.ts'
import { hpkeKeySchedule } from './hpke.ts'
import { hkdf } from './kdf.ts'
import { AEAD_TAG_LENGTH, aesGcmOpen, aesGcmSeal } from './platform.ts'
import { XWING_CIPHERTEXT_LENGTH, XWING_PUBLIC_KEY_LENGTH, XWING_SEED_LENGTH, xwingEncapsulate, xwingKeyFromSeed } from './xwing.ts'

/** X-Wing (KEM 0x647a), HKDF-SHA-256, AES-256-GCM. */
export const SUITE_XWING = 1

/** Suite byte and X-Wing public key. */
export const SEALING_PUBLIC_KEY_LENGTH = 1 + XWING_PUBLIC_KEY_LENGTH
export const SEALING_SEED_LENGTH = XWING_SEED_LENGTH
/** How much longer a sealed message is than its plaintext: suite byte, encapsulated key, tag. */
export const SEALED_OVERHEAD = 1 + XWING_CIPHERTEXT_LENGTH + AEAD_TAG_LENGTH

/** What both sides must agree on for a sealed message to open. */
export interface SealingContext {
  /** Protocol and network: HPKE's `info`. */
  readonly info: Uint8Array
  /** What the message belongs to (ids, the reader's key): authenticated, not sent. */
  readonly aad: Uint8Array
}

/** A private key that opens; the seed does not leave it. */
export interface SealingKey {
  /** Suite byte and key, {@link SEALING_PUBLIC_KEY_LENGTH} bytes. */
  readonly publicKey: Uint8Array
  /** @throws EpioneError `unknown-suite`, or `unsealing-failed` where message, key and context do not belong together. */
  open(sealed: Uint8Array, context: SealingContext): Uint8Array
  /**
   * A key of 32 bytes that the holders of two sealing keys have in common without a message: HKDF over the X25519 secret of their
   * static halves, under both public keys and `info`. It stands on X25519 alone, for ML-KEM has no agreement of static keys; what it
   * protects must not need more. X-Wing hashes the same kind of secret with other inputs in another hash, so that neither use tells of the other.
   * @throws EpioneError `unknown-suite`; MalformedError where the other key is not valid
   */
  sharedKey(publicKey: Uint8Array, info: Uint8Array): Uint8Array
}

const SUITE = Uint8Array.of(SUITE_XWING)
const schedule = hpkeKeySchedule({ kem: 0x647a, kdf: 0x0001, aead: 0x0002, keyLength: 32 })

/** Sealing key of a 32-byte seed, under the suite {@link SUITE_XWING}. */
export function sealingKeyFromSeed(seed: Uint8Array): SealingKey {
  const key = xwingKeyFromSeed(seed)
  const own = concat(SUITE, key.publicKey)
  return {
    publicKey: own,
    sharedKey: (publicKey, info) => {
      assertSuite(publicKey[0])
      const secret = key.agree(publicKey.subarray(1))
      const [first, second] = compareBytes(own, publicKey) < 0 ? [own, publicKey] : [publicKey, own]
      return hkdf(secret, new Uint8Array(0), concat(domain('shared-key'), first, second, info), 32)
    },
    open: (sealed, context) => {
      if (sealed.length > 0) assertSuite(sealed[0])
      if (sealed.length < SEALED_OVERHEAD) throw unsealingFailed()
      let sharedSecret: Uint8Array
      try {
        sharedSecret = key.decapsulate(sealed.subarray(1, 1 + XWING_CIPHERTEXT_LENGTH))
      } catch {
        throw unsealingFailed()
      }
      const { key: aeadKey, nonce } = schedule(sharedSecret, context.info)
      const plaintext = aesGcmOpen(aeadKey, nonce, context.aad, sealed.subarray(1 + XWING_CIPHERTEXT_LENGTH))
      if (plaintext === undefined) throw unsealingFailed()
      return plaintext
    },
  }
}

/**
 * Seals to a public key: suite byte, encapsulated key (1120 bytes), ciphertext, tag (16 bytes). Two seals of one plaintext
 * differ. @throws EpioneError `unknown-suite`; MalformedError where the public key is not valid.
 */
export function seal(publicKey: Uint8Array, plaintext: Uint8Array, context: SealingContext): Uint8Array {
  if (publicKey.length > 0) assertSuite(publicKey[0])
  if (publicKey.length !== SEALING_PUBLIC_KEY_LENGTH) {
    throw new MalformedError(`a sealing public key has ${SEALING_PUBLIC_KEY_LENGTH} bytes`, { length: publicKey.length })
  }
  const { sharedSecret, ciphertext } = xwingEncapsulate(publicKey.subarray(1))
  const { key, nonce } = schedule(sharedSecret, context.info)
  return concat(SUITE, ciphertext, aesGcmSeal(key, nonce, context.aad, plaintext))
}

function assertSuite(suite: number | undefined): void {
  if (suite !== SUITE_XWING) {
    throw new EpioneError('unknown-suite', 'this version does not know the sealing suite; upgrade to read or write it', {
      metadata: { suite: suite ?? -1 },
    })
  }
}

function unsealingFailed(): EpioneError {
  return new EpioneError('unsealing-failed', 'the sealed message does not open: it is damaged, for another key, or for another context')
}
