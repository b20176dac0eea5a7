import { verifySignature } from '../../crypto/signature.ts'
import { concat, equalBytes } from '../../encoding/bytes.ts'
import { domain } from '../../encoding/hash.ts'
import { FOLDER_ASK_DOMAIN, type FolderAsk, folderAskCodec, REQUEST_CLOCK_MS } from '../../network/light-messages.ts'
import { notFound } from '../folder-facts.ts'

/** Facts that a signed request must name rightly: it is for this chain, this custodian, this connection, and now. */
export interface Place {
  chainId: Uint8Array
  custodian: Uint8Array
  peer: Uint8Array
  nowMs: number
}

/** Whether a request names the place where it arrived, so that it cannot be used elsewhere or later. */
export function fits(request: { chainId: Uint8Array; custodian: Uint8Array; peer: Uint8Array; time: number }, place: Place): boolean {
  return (
    equalBytes(request.chainId, place.chainId) &&
    equalBytes(request.custodian, place.custodian) &&
    equalBytes(request.peer, place.peer) &&
    Math.abs(request.time - place.nowMs) <= REQUEST_CLOCK_MS
  )
}

/** Reads a signed question about a folder. @throws EpioneError `not-found` where it is not signed, or not for this place */
export function openAsk(ask: { content: Uint8Array; key: Uint8Array; signature: Uint8Array }, place: Place): FolderAsk {
  const content = folderAskCodec.decode(ask.content)
  if (!fits(content, place) || !verifySignature(ask.key, concat(domain(FOLDER_ASK_DOMAIN), ask.content), ask.signature)) throw notFound()
  return content
}
