/**
 * Sealing to a public key: HPKE (RFC 9180), base mode, single shot. The suites are in
 * `sealing-suites.ts`.
 */
import { compareBytes, concat } from '../encoding/bytes.ts'
import { EpioneError, MalformedError } from '../encoding/errors.ts'
import { domain } from '../encoding/hash.ts'
import { type HpkeKeySchedule, hpkeKeySchedule } from './hpke.ts'
import { hkdf } from './kdf.ts'
import { mlkem1024Encapsulate, mlkem1024KeyFromSeed } from './mlkem1024.ts'
import { AEAD_TAG_LENGTH, aesGcmOpen, aesGcmSeal } from './platform.ts'
import { SUITE_MLKEM1024, SUITE_SIZES, SUITE_XWING, unknownSuite } from './sealing-suites.ts'
import { xwingEncapsulate, xwingKeyFromSeed } from './xwing.ts'

/** Half of a key pair as a suite makes it of a seed. */
interface SuiteKey {
  readonly publicKey: Uint8Array
  decapsulate(ciphertext: Uint8Array): Uint8Array
  /** Agreement of static halves, where the suite has one. */
  readonly agree?: (publicKey: Uint8Array) => Uint8Array
}

interface Suite {
  readonly id: number
  readonly schedule: HpkeKeySchedule
  keyFromSeed(seed: Uint8Array): SuiteKey
  encapsulate(publicKey: Uint8Array): { sharedSecret: Uint8Array; ciphertext: Uint8Array }
}

const SUITES: readonly Suite[] = [
  {
    id: SUITE_XWING,
    schedule: hpkeKeySchedule({ kem: 0x647a, kdf: 0x0001, aead: 0x0002, keyLength: 32 }),
    keyFromSeed: xwingKeyFromSeed,
    encapsulate: xwingEncapsulate,
  },
  {
    id: SUITE_MLKEM1024,
    schedule: hpkeKeySchedule({ kem: 0x0042, kdf: 0x0001, aead: 0x0002, keyLength: 32 }),
    keyFromSeed: mlkem1024KeyFromSeed,
    encapsulate: mlkem1024Encapsulate,
  },
]

/** What both sides must agree on for a sealed message to open. */
export interface SealingContext {
  /** Protocol and network: HPKE's `info`. */
  readonly info: Uint8Array
  /** What the message belongs to (ids, the reader's key): authenticated, not sent. */
  readonly aad: Uint8Array
}

/** What opens sealed messages. */
export interface SealingOpener {
  /** @throws EpioneError `unknown-suite`, or `unsealing-failed` where message, key and context do not belong together. */
  open(sealed: Uint8Array, context: SealingContext): Uint8Array
}

/** A private key that opens; the seed does not leave it. */
export interface SealingKey extends SealingOpener {
  /** Suite byte and key. */
  readonly publicKey: Uint8Array
  /**
   * A key of 32 bytes that the holders of two X-Wing keys have in common without a message: HKDF over the X25519 secret of their
   * static halves, under both public keys and `info`. It stands on X25519 alone, for ML-KEM has no agreement of static keys; what it
   * protects must not need more. X-Wing hashes the same kind of secret with other inputs in another hash, so that neither use tells of the other.
   * @throws EpioneError `unknown-suite`, or `no-agreement` where one of the keys is of a suite without; MalformedError where the other key is not valid
   */
  sharedKey(publicKey: Uint8Array, info: Uint8Array): Uint8Array
}

/** Opens what was sealed to the key of a 32-byte seed, under whichever suite the message names. */
export function sealingOpener(seed: Uint8Array): SealingOpener {
  const own = Uint8Array.from(seed)
  const keys = new Map<number, SealingKey>()
  return {
    open: (sealed, context) => {
      const { id } = known(sealed[0])
      const key = keys.get(id) ?? sealingKeyFromSeed(own, id)
      keys.set(id, key)
      return key.open(sealed, context)
    },
  }
}

/** Sealing key of a 32-byte seed under a suite. Each suite expands the seed in a way of its own: no key tells of another. */
export function sealingKeyFromSeed(seed: Uint8Array, suite: number = SUITE_XWING): SealingKey {
  const { id, schedule, ciphertextLength, keyFromSeed } = known(suite)
  const key = keyFromSeed(seed)
  const own = concat(Uint8Array.of(id), key.publicKey)
  return {
    publicKey: own,
    sharedKey: (publicKey, info) => {
      if (key.agree === undefined || known(publicKey[0]).id !== id)
        throw new EpioneError('no-agreement', 'keys of these sealing suites agree on nothing without a message')
      const secret = key.agree(publicKey.subarray(1))
      const [first, second] = compareBytes(own, publicKey) < 0 ? [own, publicKey] : [publicKey, own]
      return hkdf(secret, new Uint8Array(0), concat(domain('shared-key'), first, second, info), 32)
    },
    open: (sealed, context) => {
      if (sealed.length > 0 && known(sealed[0]).id !== id) throw unsealingFailed()
      if (sealed.length < 1 + ciphertextLength + AEAD_TAG_LENGTH) throw unsealingFailed()
      let sharedSecret: Uint8Array
      try {
        sharedSecret = key.decapsulate(sealed.subarray(1, 1 + ciphertextLength))
      } catch {
        throw unsealingFailed()
      }
      const { key: aeadKey, nonce } = schedule(sharedSecret, context.info)
      const plaintext = aesGcmOpen(aeadKey, nonce, context.aad, sealed.subarray(1 + ciphertextLength))
      if (plaintext === undefined) throw unsealingFailed()
      return plaintext
    },
  }
}

/**
 * Seals to a public key: suite byte, encapsulated key, ciphertext, tag (16 bytes). Two seals of one plaintext
 * differ. @throws EpioneError `unknown-suite`; MalformedError where the public key is not valid.
 */
export function seal(publicKey: Uint8Array, plaintext: Uint8Array, context: SealingContext): Uint8Array {
  if (publicKey.length === 0) throw new MalformedError('a sealing public key is not empty')
  const { id, publicKeyLength, schedule, encapsulate } = known(publicKey[0])
  if (publicKey.length !== 1 + publicKeyLength) {
    throw new MalformedError(`a sealing public key of this suite has ${1 + publicKeyLength} bytes`, { length: publicKey.length })
  }
  const { sharedSecret, ciphertext } = encapsulate(publicKey.subarray(1))
  const { key, nonce } = schedule(sharedSecret, context.info)
  return concat(Uint8Array.of(id), ciphertext, aesGcmSeal(key, nonce, context.aad, plaintext))
}

function known(suite: number | undefined): Suite & (typeof SUITE_SIZES)[number] {
  const found = SUITES.find(({ id }) => id === suite)
  const sizes = SUITE_SIZES.find(({ id }) => id === suite)
  if (found === undefined || sizes === undefined) throw unknownSuite(suite)
  return { ...found, ...sizes }
}

function unsealingFailed(): EpioneError {
  return new EpioneError('unsealing-failed', 'the sealed message does not open: it is damaged, for another key, or for another context')
}
