/** The public half of a node's keys, as it is shown and handed to others. */
import type { Organisation } from '../contracts/members-formats.ts'
import { toHex } from '../encoding/bytes.ts'
import { peerIdOf } from '../network/peer.ts'
import type { NodeKeys } from './keys.ts'

/** In hex, but the peer id, which is libp2p's text. */
export interface PublicKeys {
  account: string
  peerId: string
  signingKey: string
  sealingKey: string
  networkKey: string
  consensusKey: string
}

export function publicKeys(keys: NodeKeys): PublicKeys {
  return {
    account: toHex(keys.account),
    peerId: peerIdOf(keys.network.publicKey).toString(),
    signingKey: toHex(keys.signing.publicKey),
    sealingKey: toHex(keys.sealing.publicKey),
    networkKey: toHex(keys.network.publicKey),
    consensusKey: toHex(keys.consensus.publicKey),
  }
}

/** What the founders, or later the members' votes, need to know of this node's organisation. A validator starts with `power`. */
export function organisationOf(
  keys: NodeKeys,
  about: Pick<Organisation, 'name' | 'jurisdiction' | 'kind' | 'capacity'> & { power: number },
): Organisation {
  return {
    ...about,
    signingKey: keys.signing.publicKey,
    sealingKey: keys.sealing.publicKey,
    networkKey: keys.network.publicKey,
    consensusKey: about.power > 0 ? keys.consensus.publicKey : null,
  }
}
