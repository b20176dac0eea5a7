/** The keys of a node, as they lie in its keystore. */

import { accountId } from '../contracts/members-formats.ts'
import { createKeystore, openKeystore, replaceEntries } from '../crypto/keystore.ts'
import { randomBytes } from '../crypto/random.ts'
import { type SealingKey, sealingKeyFromSeed } from '../crypto/sealing.ts'
import { type SigningKey, signingKeyFromSeed } from '../crypto/signature.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'

export interface NodeKeys {
  /** Account of the organisation in the ledger. */
  readonly account: Uint8Array
  /** Signs the organisation's transactions, tickets and receipts. */
  readonly signing: SigningKey
  readonly sealing: SealingKey
  /** Signs votes; held by every node, used where the ledger lists it. */
  readonly consensus: SigningKey
  /** Seed of the libp2p identity. */
  readonly networkSeed: Uint8Array
  readonly network: SigningKey
  /** Secret under which the keyring is encrypted. */
  readonly storage: Uint8Array
}

/** Keys that a member may renew by itself, each with the entry in which the next one waits until the ledger has it. */
export const ROTATED = ['signing', 'sealing', 'network'] as const
export type Rotated = (typeof ROTATED)[number]

/** Entry of the account's id: it follows from the first signing key, which may be gone. */
const ACCOUNT = 'account'
/** Entries of former sealing keys, by their numbers from 0: what was sealed to them still opens. */
const FORMER_SEALING = 'former-sealing-'
const NEXT = 'next-'
/** Most former sealing keys that a keystore holds. */
const MAX_FORMER_SEALING = 64

const ENTRIES = ['signing', 'sealing', 'consensus', 'network', 'storage'] as const

/** Fresh secrets for a node; `seeded` gives them for testnets, where the same seed must give the same keys. */
export function newNodeSecrets(seeded: (name: string) => Uint8Array = () => randomBytes(32)): Record<string, Uint8Array> {
  return Object.fromEntries(ENTRIES.map(name => [name, seeded(name)]))
}

export function nodeKeysFrom(secrets: Readonly<Record<string, Uint8Array>>): NodeKeys {
  const secret = (name: (typeof ENTRIES)[number]): Uint8Array => {
    const value = secrets[name]
    if (value?.length !== 32) throw new EpioneError('keystore-corrupt', `The keystore lacks the key "${name}".`)
    return value
  }
  const signing = signingKeyFromSeed(secret('signing'))
  return {
    account: secrets[ACCOUNT] ?? accountId(signing.publicKey),
    signing,
    sealing: withFormer(sealingKeyFromSeed(secret('sealing')), formerSealing(secrets)),
    consensus: signingKeyFromSeed(secret('consensus')),
    networkSeed: secret('network'),
    network: signingKeyFromSeed(secret('network')),
    storage: secret('storage'),
  }
}

/** Makes a node's keystore. @throws EpioneError `keystore-exists` */
export async function createNodeKeystore(
  path: string,
  passphrase: string,
  secrets: Record<string, Uint8Array>,
  options: Parameters<typeof createKeystore>[3] = {},
): Promise<NodeKeys> {
  const keys = nodeKeysFrom(secrets)
  await createKeystore(path, passphrase, secrets, options)
  return keys
}

export async function openNodeKeystore(path: string, passphrase: string): Promise<NodeKeys> {
  return nodeKeysFrom(await openKeystore(path, passphrase))
}

function formerSealing(secrets: Readonly<Record<string, Uint8Array>>): Uint8Array[] {
  const found: Uint8Array[] = []
  for (let i = 0; i < MAX_FORMER_SEALING; i++) {
    const seed = secrets[`${FORMER_SEALING}${i}`]
    if (seed !== undefined) found.push(seed)
  }
  return found
}

/** A sealing key that opens what was sealed to those before it, too. */
function withFormer(key: SealingKey, seeds: readonly Uint8Array[]): SealingKey {
  if (seeds.length === 0) return key
  const former = seeds.map(seed => sealingKeyFromSeed(seed)).reverse()
  return {
    ...key,
    open: (sealed, context) => {
      for (const opener of [key, ...former.slice(0, -1)]) {
        try {
          return opener.open(sealed, context)
        } catch (error) {
          if (errorCode(error) !== 'unsealing-failed') throw error
        }
      }
      return (former.at(-1) as SealingKey).open(sealed, context)
    },
  }
}

/** Keys that wait in a keystore until the ledger has them. */
export interface NextKeys {
  readonly signing: SigningKey | undefined
  readonly sealing: SealingKey | undefined
  readonly network: SigningKey | undefined
}

/**
 * Makes the next keys of a node and puts them into its keystore, beside those in use; keys that wait there already stay as they are, for
 * an earlier attempt may have brought them onto the ledger.
 */
export async function prepareNextKeys(path: string, passphrase: string, which: readonly Rotated[]): Promise<NextKeys> {
  const secrets = await openKeystore(path, passphrase)
  const added = Object.fromEntries(which.filter(name => secrets[NEXT + name] === undefined).map(name => [NEXT + name, randomBytes(32)]))
  if (Object.keys(added).length > 0) await replaceEntries(path, passphrase, { ...secrets, ...added })
  const next = { ...secrets, ...added }
  const signer = (name: Rotated): SigningKey | undefined => {
    const seed = next[NEXT + name]
    return seed === undefined ? undefined : signingKeyFromSeed(seed)
  }
  const sealing = next[`${NEXT}sealing`]
  return {
    signing: signer('signing'),
    sealing: sealing === undefined ? undefined : sealingKeyFromSeed(sealing),
    network: signer('network'),
  }
}

/** Puts the waiting keys into use, now that the ledger has them. The former sealing key stays to open what was sealed to it. */
export async function takeNextKeys(path: string, passphrase: string): Promise<NodeKeys> {
  const secrets = await openKeystore(path, passphrase)
  const taken: Record<string, Uint8Array> = { ...secrets, [ACCOUNT]: nodeKeysFrom(secrets).account }
  for (const name of ROTATED) {
    const seed = secrets[NEXT + name]
    if (seed === undefined) continue
    if (name === 'sealing') {
      const place = formerSealing(secrets).length
      if (place === MAX_FORMER_SEALING) throw new EpioneError('too-many-keys', 'The keystore holds as many former sealing keys as it may.')
      taken[`${FORMER_SEALING}${place}`] = secrets.sealing as Uint8Array
    }
    taken[name] = seed
    delete taken[NEXT + name]
  }
  await replaceEntries(path, passphrase, taken)
  return nodeKeysFrom(taken)
}
