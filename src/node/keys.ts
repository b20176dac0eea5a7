/** The keys of a node, as they lie in its keystore. */

import { accountId } from '../contracts/members-formats.ts'
import { createKeystore, openKeystore } from '../crypto/keystore.ts'
import { randomBytes } from '../crypto/random.ts'
import { type SealingKey, sealingKeyFromSeed } from '../crypto/sealing.ts'
import { type SigningKey, signingKeyFromSeed } from '../crypto/signature.ts'
import { EpioneError } from '../encoding/errors.ts'

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
    account: accountId(signing.publicKey),
    signing,
    sealing: sealingKeyFromSeed(secret('sealing')),
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
