/**
 * The wallet: one 32-byte seed, written down as 24 words, and everything that is derived from it. Derivation is
 * HKDF-SHA-256 with the salt `epione/wallet/1` NUL; the info is a text that names the use, then u32be(index), and for
 * sealing keys u32be(epoch). These formats are final: a wallet must find its folders in decades.
 */
import { entropyToMnemonic, mnemonicToEntropy } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { concat, u32, utf8 } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { domain, taggedHash } from '../encoding/hash.ts'
import { hkdf } from './kdf.ts'
import { type SealingKey, sealingKeyFromSeed } from './sealing.ts'
import { type SigningKey, signingKeyFromSeed } from './signature.ts'

export const WALLET_SEED_LENGTH = 32
const PHRASE_WORDS = 24
const words: ReadonlySet<string> = new Set(wordlist)

/** The 24 English words of BIP-39 that stand for a 32-byte seed (the seed is BIP-39's entropy; its PBKDF2 step is not used). */
export function seedToPhrase(seed: Uint8Array): string {
  assertSeed(seed)
  return entropyToMnemonic(seed, wordlist)
}

/**
 * Seed of a phrase. Case, and the amount and kind of white space, do not matter.
 * @throws EpioneError `phrase-length`; `phrase-word`, naming the position (from 1) of the first unknown word, never the word;
 * `phrase-checksum` where all words are known but do not belong together.
 */
export function phraseToSeed(phrase: string): Uint8Array {
  const given = phrase.normalize('NFKD').toLowerCase().trim().split(/\s+/)
  const unknown = given.findIndex(word => !words.has(word))
  if (given.length !== PHRASE_WORDS) {
    throw new EpioneError('phrase-length', `a recovery phrase has ${PHRASE_WORDS} words`, {
      metadata: { words: given[0] === '' ? 0 : given.length },
    })
  }
  if (unknown >= 0) {
    throw new EpioneError('phrase-word', `word ${unknown + 1} of the phrase is not in the word list; check its spelling`, {
      metadata: { position: unknown + 1 },
    })
  }
  try {
    return new Uint8Array(mnemonicToEntropy(given.join(' '), wordlist))
  } catch {
    throw new EpioneError('phrase-checksum', 'the words do not belong together; check that none is swapped or replaced by another')
  }
}

/** Owner key of folder `index`. */
export function ownerKey(seed: Uint8Array, index: number): SigningKey {
  return signingKeyFromSeed(derive(seed, 'owner-key', index))
}

/**
 * The seed of all that opens: the folders' sealing keys and the salts of their labels. It signs nothing, so that who has it alone is given
 * nothing to open: it may lie with guardians, and outlives the owner seed in a recovery.
 */
export function readingSeed(seed: Uint8Array): Uint8Array {
  return derive(seed, 'reading-seed')
}

/** Sealing key of folder `index` in `epoch`, under a suite. */
export function folderSealingKey(seed: Uint8Array, index: number, epoch: number, suite?: number): SealingKey {
  return sealingKeyFromSeed(folderSealingSeed(seed, index, epoch), suite)
}

/** The 32-byte private half of {@link folderSealingKey}, the same for every suite: what a grant wraps to its grantee. */
export function folderSealingSeed(seed: Uint8Array, index: number, epoch: number): Uint8Array {
  return sealingSeedFrom(readingSeed(seed), index, epoch)
}

/** {@link folderSealingSeed}, from the reading seed. */
export function sealingSeedFrom(reading: Uint8Array, index: number, epoch: number): Uint8Array {
  return derive(reading, 'folder-sealing-key', index, epoch)
}

/** Salt of the commitment to the label of folder `index`. */
export function labelSalt(seed: Uint8Array, index: number): Uint8Array {
  return labelSaltFrom(readingSeed(seed), index)
}

/** {@link labelSalt}, from the reading seed. */
export function labelSaltFrom(reading: Uint8Array, index: number): Uint8Array {
  return derive(reading, 'label-salt', index)
}

/** Recovery key of folder `index`, from the recovery seed, which is another than the owner's. */
export function recoveryKey(recoverySeed: Uint8Array, index: number): SigningKey {
  return signingKeyFromSeed(derive(recoverySeed, 'recovery-key', index))
}

/** Symmetric key of what a wallet leaves for its recovery, see recovery-box.ts. */
export function recoveryBoxKey(recoverySeed: Uint8Array): Uint8Array {
  return derive(recoverySeed, 'recovery-box')
}

/** Key by which the holder of this wallet acts for others, one for each folder of theirs. */
export function delegateKey(seed: Uint8Array, index: number): SigningKey {
  return signingKeyFromSeed(derive(seed, 'delegate-key', index))
}

/** Key to which others seal what this wallet's holder needs as their delegate. */
export function delegateSealingKey(seed: Uint8Array): SealingKey {
  return sealingKeyFromSeed(derive(readingSeed(seed), 'delegate-sealing-key'))
}

/** How the ledger names a delegate's key. */
export function delegateKeyHash(publicKey: Uint8Array): Uint8Array {
  return taggedHash('delegate-key', publicKey)
}

/** How the ledger names an owner key. */
export function ownerKeyHash(publicKey: Uint8Array): Uint8Array {
  return taggedHash('owner-key', publicKey)
}

/** How the ledger names a recovery key. */
export function recoveryKeyHash(publicKey: Uint8Array): Uint8Array {
  return taggedHash('recovery-key', publicKey)
}

function derive(seed: Uint8Array, use: string, ...counters: readonly number[]): Uint8Array {
  assertSeed(seed)
  for (const counter of counters) {
    if (!Number.isInteger(counter) || counter < 0 || counter > 0xffffffff) {
      throw new EpioneError('index-invalid', 'index and epoch are integers from 0 to 2^32 - 1', { metadata: { counter } })
    }
  }
  return hkdf(seed, domain('wallet'), concat(utf8(use), ...counters.map(u32)), 32)
}

function assertSeed(seed: Uint8Array): void {
  if (seed.length !== WALLET_SEED_LENGTH) {
    throw new EpioneError('seed-length', `a wallet seed has ${WALLET_SEED_LENGTH} bytes`, { metadata: { length: seed.length } })
  }
}
