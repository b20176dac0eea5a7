/**
 * X-Wing (draft-connolly-cfrg-xwing-kem): the hybrid KEM of ML-KEM-768 and X25519. It stays secret as long as one of the
 * two does, which is what records that live for decades need.
 */
import { concat } from '../encoding/bytes.ts'
import { EpioneError, MalformedError } from '../encoding/errors.ts'
import { KeyCache } from './key-cache.ts'
import {
  mlkem768PrivateKey,
  mlkem768PublicKey,
  mlkem768RawPublicKey,
  mlkemDecapsulate,
  mlkemEncapsulate,
  type PlatformKey,
  sha3,
  shake256,
  x25519,
  x25519Ephemeral,
  x25519PrivateKey,
  x25519PublicKey,
  x25519RawPublicKey,
} from './platform.ts'
import { XWING_CIPHERTEXT_LENGTH, XWING_PUBLIC_KEY_LENGTH } from './sealing-suites.ts'

export const XWING_SEED_LENGTH = 32

const MLKEM_PUBLIC_KEY_LENGTH = 1184
const MLKEM_CIPHERTEXT_LENGTH = 1088

/** The draft's label `\.//^\`, drawn as an X-wing. */
const LABEL = Uint8Array.of(0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c)

export interface XWingKey {
  /** 1216 bytes: ML-KEM-768 encapsulation key, then X25519 public key. */
  readonly publicKey: Uint8Array
  /** Shared secret of 32 bytes. @throws where X25519's share is of small order; a wrong ML-KEM share gives a random secret instead. */
  decapsulate(ciphertext: Uint8Array): Uint8Array
  /** X25519 of this key's second half and another's: the same on both sides. @throws MalformedError where the other key is not valid */
  agree(publicKey: Uint8Array): Uint8Array
}

/** Key pair of a 32-byte seed (GenerateKeyPairDerand, draft section 5.2). */
export function xwingKeyFromSeed(seed: Uint8Array): XWingKey {
  if (seed.length !== XWING_SEED_LENGTH) {
    throw new EpioneError('seed-length', `a sealing seed has ${XWING_SEED_LENGTH} bytes`, { metadata: { length: seed.length } })
  }
  const expanded = shake256(seed, 96)
  const mlkem = mlkem768PrivateKey(expanded.subarray(0, 64))
  const ecdh = x25519PrivateKey(expanded.subarray(64))
  expanded.fill(0)
  const ecdhPublic = x25519RawPublicKey(ecdh)
  return {
    publicKey: concat(mlkem768RawPublicKey(mlkem), ecdhPublic),
    decapsulate: ciphertext => {
      if (ciphertext.length !== XWING_CIPHERTEXT_LENGTH) throw new MalformedError('an X-Wing ciphertext has 1120 bytes')
      const share = ciphertext.subarray(MLKEM_CIPHERTEXT_LENGTH)
      return combine(
        mlkemDecapsulate(mlkem, ciphertext.subarray(0, MLKEM_CIPHERTEXT_LENGTH)),
        x25519(ecdh, x25519PublicKey(share)),
        share,
        ecdhPublic,
      )
    },
    agree: publicKey => {
      if (publicKey.length !== XWING_PUBLIC_KEY_LENGTH) throw new MalformedError('an X-Wing public key has 1216 bytes')
      try {
        return x25519(ecdh, x25519PublicKey(publicKey.subarray(MLKEM_PUBLIC_KEY_LENGTH)))
      } catch {
        throw new MalformedError('the X-Wing public key is not valid')
      }
    },
  }
}

interface ImportedKey {
  readonly mlkem: PlatformKey
  readonly ecdh: PlatformKey
}

/** One recipient often gets many seals in a row: all versions of a submission go to one folder. */
const imported = new KeyCache<ImportedKey>(256)

/** Fresh shared secret for the holder of a public key, with the ciphertext that carries it. @throws MalformedError for a bad key. */
export function xwingEncapsulate(publicKey: Uint8Array): { sharedSecret: Uint8Array; ciphertext: Uint8Array } {
  if (publicKey.length !== XWING_PUBLIC_KEY_LENGTH) throw new MalformedError('an X-Wing public key has 1216 bytes')
  const ecdhPublic = publicKey.subarray(MLKEM_PUBLIC_KEY_LENGTH)
  const ephemeral = x25519Ephemeral()
  let mlkem: { sharedSecret: Uint8Array; ciphertext: Uint8Array }
  let ecdhSecret: Uint8Array
  try {
    const key = imported.get(publicKey, () => ({
      mlkem: mlkem768PublicKey(publicKey.subarray(0, MLKEM_PUBLIC_KEY_LENGTH)),
      ecdh: x25519PublicKey(ecdhPublic),
    }))
    mlkem = mlkemEncapsulate(key.mlkem)
    ecdhSecret = x25519(ephemeral.privateKey, key.ecdh)
  } catch {
    throw new MalformedError('the X-Wing public key is not valid')
  }
  return {
    sharedSecret: combine(mlkem.sharedSecret, ecdhSecret, ephemeral.publicKey, ecdhPublic),
    ciphertext: concat(mlkem.ciphertext, ephemeral.publicKey),
  }
}

function combine(mlkemSecret: Uint8Array, ecdhSecret: Uint8Array, ecdhShare: Uint8Array, ecdhPublic: Uint8Array): Uint8Array {
  return sha3(mlkemSecret, ecdhSecret, ecdhShare, ecdhPublic, LABEL)
}
