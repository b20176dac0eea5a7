/** Signed questions about a folder to one of its custodians. */

import { concat } from '../encoding/bytes.ts'
import { domain } from '../encoding/hash.ts'
import { FOLDER_ASK_DOMAIN, folderAskCodec } from '../network/light-messages.ts'
import type { LightPeer, MemberInfo } from './light-peer.ts'
import { type Signer, signed } from './signer.ts'

export interface SignedAsk {
  content: Uint8Array
  key: Uint8Array
  signature: Uint8Array
}

/** Signs for one custodian, this connection and this moment; nobody can use it elsewhere or later. */
export async function signAsk(
  peer: LightPeer,
  key: Signer,
  ask: { folder: Uint8Array; consent: Uint8Array | null; custodian: MemberInfo },
): Promise<SignedAsk> {
  const content = folderAskCodec.encode({
    chainId: peer.chainId,
    folder: ask.folder,
    consent: ask.consent,
    custodian: ask.custodian.id,
    peer: peer.nodes.network.networkKey,
    time: peer.now(),
  })
  return { content, key: key.publicKey, signature: await signed(key, concat(domain(FOLDER_ASK_DOMAIN), content)) }
}
