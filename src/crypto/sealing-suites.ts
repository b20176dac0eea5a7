/**
 * The sealing suites by their numbers and sizes, for who only passes keys on: formats and contracts need none of the arithmetic.
 * The first byte of a public key and of a sealed message names the suite, so that a later one can live beside this one.
 */
import { EpioneError } from '../encoding/errors.ts'
import { byteString, refine, type Schema } from '../encoding/schema.ts'

/** X-Wing (KEM 0x647a), HKDF-SHA-256, AES-256-GCM: what every key is made with unless something else is asked for. */
export const SUITE_XWING = 1
/** ML-KEM-1024 (KEM 0x0042), HKDF-SHA-256, AES-256-GCM. */
export const SUITE_MLKEM1024 = 2

export const XWING_PUBLIC_KEY_LENGTH = 1216
export const XWING_CIPHERTEXT_LENGTH = 1120
export const MLKEM1024_PUBLIC_KEY_LENGTH = 1568
export const MLKEM1024_CIPHERTEXT_LENGTH = 1568

interface SuiteSizes {
  readonly id: number
  readonly name: string
  readonly publicKeyLength: number
  readonly ciphertextLength: number
}

export const SUITE_SIZES: readonly SuiteSizes[] = [
  { id: SUITE_XWING, name: 'x-wing', publicKeyLength: XWING_PUBLIC_KEY_LENGTH, ciphertextLength: XWING_CIPHERTEXT_LENGTH },
  { id: SUITE_MLKEM1024, name: 'ml-kem-1024', publicKeyLength: MLKEM1024_PUBLIC_KEY_LENGTH, ciphertextLength: MLKEM1024_CIPHERTEXT_LENGTH },
]

/** Suite byte and X-Wing public key. */
export const SEALING_PUBLIC_KEY_LENGTH = 1 + XWING_PUBLIC_KEY_LENGTH
/** The same for every suite: the seed of a key does not say of which. */
export const SEALING_SEED_LENGTH = 32
/** How much longer a message that is sealed under X-Wing is than its plaintext: suite byte, encapsulated key, tag of 16 bytes. */
export const SEALED_OVERHEAD = 1 + XWING_CIPHERTEXT_LENGTH + 16

/** Suites by the names under which people choose them. */
export const SUITE_NAMES: ReadonlyMap<string, number> = new Map(SUITE_SIZES.map(({ id, name }) => [name, id]))

function lengthOf(publicKey: Uint8Array): number | undefined {
  const suite = SUITE_SIZES.find(({ id }) => id === publicKey[0])
  return suite === undefined ? undefined : 1 + suite.publicKeyLength
}

const SHORTEST_PUBLIC_KEY = 1 + Math.min(...SUITE_SIZES.map(({ publicKeyLength }) => publicKeyLength))
const LONGEST_PUBLIC_KEY = 1 + Math.max(...SUITE_SIZES.map(({ publicKeyLength }) => publicKeyLength))

/** A public key for sealing: the byte of a known suite, and as many bytes as that suite's keys have. Whether they are a key shows when it is sealed to. */
export const sealingPublicKeySchema: Schema<Uint8Array> = refine(
  byteString(LONGEST_PUBLIC_KEY, SHORTEST_PUBLIC_KEY),
  'a sealing key of a known suite',
  key => lengthOf(key) === key.length,
)

/** Suite of a public key or sealed message. @throws EpioneError `unknown-suite` */
export function suiteOf(bytes: Uint8Array): number {
  const [suite] = bytes
  if (SUITE_SIZES.some(({ id }) => id === suite)) return suite as number
  throw unknownSuite(suite)
}

export function unknownSuite(suite: number | undefined): EpioneError {
  return new EpioneError('unknown-suite', 'this version does not know the sealing suite; upgrade to read or write it', {
    metadata: { suite: suite ?? -1 },
  })
}
