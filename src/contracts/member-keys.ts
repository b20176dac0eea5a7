/** The index from members' keys to their accounts, in the state at `stateKey.accountKey`. */
import { taggedHash } from '../encoding/hash.ts'
import { codec, fixedBytes } from '../encoding/schema.ts'
import { accountId, type Organisation } from './members-formats.ts'

/** Value at `stateKey.accountKey`: the account that holds, or once held, the key. */
export const accountKeyCodec = codec(fixedBytes(32), 64)

/** How the index names a signing key. For the key of admission it is the account's id. */
export function signingKeyHash(signingKey: Uint8Array): Uint8Array {
  return accountId(signingKey)
}

/** How the index names a node's libp2p key. */
export function networkKeyHash(networkKey: Uint8Array): Uint8Array {
  return taggedHash('network-key', networkKey)
}

/** How the index names a consensus key. */
export function consensusKeyHash(consensusKey: Uint8Array): Uint8Array {
  return taggedHash('consensus-key', consensusKey)
}

/** Names of an organisation's keys in the index. */
export function memberKeyHashes(organisation: Organisation): Uint8Array[] {
  const { signingKey, networkKey, consensusKey } = organisation
  const hashes = [signingKeyHash(signingKey), networkKeyHash(networkKey)]
  if (consensusKey !== null) hashes.push(consensusKeyHash(consensusKey))
  return hashes
}
