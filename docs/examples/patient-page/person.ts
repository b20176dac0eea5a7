/** Who uses the page: a wallet, and the keys by which an organisation knows its owner. All of it follows from the wallet's words; nothing is stored. */
import { createWallet, type Person, personFromSeeds, phraseToSeed, seedToPhrase, type Wallet } from 'epione/client'

export interface Holder {
  readonly wallet: Wallet
  readonly words: string
  /** Shown once; none of a wallet that was opened by its words, which can do everything but open further folders. */
  readonly recoveryWords: string | undefined
  readonly signingSeed: Uint8Array
  readonly sealingSeed: Uint8Array
}

/** A holder with a new wallet, or with the one of these words. @throws EpioneError `phrase-length`, `phrase-word`, `phrase-checksum` */
export async function holderOf(words?: string): Promise<Holder> {
  const made = words === undefined ? createWallet() : undefined
  const wallet = made?.wallet ?? { seed: phraseToSeed(words ?? ''), recoveryKeyHashes: [] }
  return {
    wallet,
    words: seedToPhrase(wallet.seed),
    recoveryWords: made === undefined ? undefined : seedToPhrase(made.recoverySeed),
    signingSeed: await derive(wallet.seed, 'signing'),
    sealingSeed: await derive(wallet.seed, 'sealing'),
  }
}

/** The holder as a person of an organisation. */
export function personOf({ signingSeed, sealingSeed }: Holder, organisation: Uint8Array, role: string): Person {
  return personFromSeeds({ organisation, role, signingSeed, sealingSeed })
}

async function derive(seed: Uint8Array, use: string): Promise<Uint8Array> {
  const key = await crypto.subtle.importKey('raw', seed as BufferSource, 'HKDF', false, ['deriveBits'])
  const [salt, info] = ['patient-page/1', use].map(text => new TextEncoder().encode(text)) as [Uint8Array, Uint8Array]
  const parameters = { name: 'HKDF', hash: 'SHA-256', salt: salt as BufferSource, info: info as BufferSource }
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, key, 256))
}
