/**
 * ML-KEM-1024 (FIPS 203) as a KEM of HPKE (draft-ietf-hpke-pq): the strongest of the standard's parameter sets, without a second
 * scheme beside it. It is there to turn to where the hybrid's sets are found weaker than thought.
 */
import { concat, utf8 } from '../encoding/bytes.ts'
import { EpioneError, MalformedError } from '../encoding/errors.ts'
import { KeyCache } from './key-cache.ts'
import {
  mlkem1024PrivateKey,
  mlkem1024PublicKey,
  mlkem1024RawPublicKey,
  mlkemDecapsulate,
  mlkemEncapsulate,
  type PlatformKey,
  shake256,
} from './platform.ts'
import { MLKEM1024_CIPHERTEXT_LENGTH, MLKEM1024_PUBLIC_KEY_LENGTH } from './sealing-suites.ts'

const SEED_LENGTH = 32
const DECAPSULATION_SEED_LENGTH = 64

/** `suite_id` of the KEM alone: "KEM", then its identifier. */
const SUITE_ID = Uint8Array.of(0x4b, 0x45, 0x4d, 0x00, 0x42)
const VERSION = utf8('HPKE-v1')
const LABEL = utf8('DeriveKeyPair')

/** `DeriveKeyPair` of the draft, up to the seed `d || z` of FIPS 203: SHAKE256 over the input and its label. */
export function mlkem1024Seed(ikm: Uint8Array): Uint8Array {
  const labelled = concat(ikm, VERSION, SUITE_ID, Uint8Array.of(0, LABEL.length), LABEL, Uint8Array.of(0, DECAPSULATION_SEED_LENGTH))
  return shake256(labelled, DECAPSULATION_SEED_LENGTH)
}

export interface Mlkem1024Key {
  /** 1568 bytes. */
  readonly publicKey: Uint8Array
  /** Shared secret of 32 bytes; a wrong ciphertext gives a random one. @throws MalformedError for another length */
  decapsulate(ciphertext: Uint8Array): Uint8Array
}

/** Key pair of a 32-byte seed. */
export function mlkem1024KeyFromSeed(seed: Uint8Array): Mlkem1024Key {
  if (seed.length !== SEED_LENGTH) {
    throw new EpioneError('seed-length', `a sealing seed has ${SEED_LENGTH} bytes`, { metadata: { length: seed.length } })
  }
  return mlkem1024Key(mlkem1024Seed(seed))
}

/** Key pair of the 64 bytes that {@link mlkem1024Seed} gives, which are overwritten. */
export function mlkem1024Key(expanded: Uint8Array): Mlkem1024Key {
  const key = mlkem1024PrivateKey(expanded)
  expanded.fill(0)
  return {
    publicKey: mlkem1024RawPublicKey(key),
    decapsulate: ciphertext => {
      if (ciphertext.length !== MLKEM1024_CIPHERTEXT_LENGTH) throw new MalformedError('an ML-KEM-1024 ciphertext has 1568 bytes')
      return mlkemDecapsulate(key, ciphertext)
    },
  }
}

/** One recipient often gets many seals in a row: all versions of a submission go to one folder. */
const imported = new KeyCache<PlatformKey>(256)

/** Fresh shared secret for the holder of a public key, with the ciphertext that carries it. @throws MalformedError for a bad key. */
export function mlkem1024Encapsulate(publicKey: Uint8Array): { sharedSecret: Uint8Array; ciphertext: Uint8Array } {
  if (publicKey.length !== MLKEM1024_PUBLIC_KEY_LENGTH) throw new MalformedError('an ML-KEM-1024 public key has 1568 bytes')
  try {
    return mlkemEncapsulate(imported.get(publicKey, () => mlkem1024PublicKey(publicKey)))
  } catch {
    throw new MalformedError('the ML-KEM-1024 public key is not valid')
  }
}
