/** The peers that a node names, as it answers `peers`. Nothing of it is trusted: a connection proves the key that it reaches. */
import { parseHex } from '../encoding/bytes.ts'

/** Most peers that are read from one report. */
const MAX_PEERS = 1024
const MAX_ADDRESSES = 8
const MAX_ADDRESS_LENGTH = 256

/** Reads a report; what is not a peer with addresses is passed over. */
export function readPeersReport(json: string): { networkKey: Uint8Array; addresses: string[] }[] {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return []
  }
  const peers =
    typeof value === 'object' && value !== null && 'peers' in value && Array.isArray(value.peers) ? (value.peers as unknown[]) : []
  return peers.slice(0, MAX_PEERS).flatMap(peer => {
    if (typeof peer !== 'object' || peer === null || !('networkKey' in peer) || !('addresses' in peer)) return []
    const key = typeof peer.networkKey === 'string' ? parseHex(peer.networkKey) : undefined
    const addresses = Array.isArray(peer.addresses)
      ? peer.addresses
          .filter((address): address is string => typeof address === 'string' && address.length <= MAX_ADDRESS_LENGTH)
          .slice(0, MAX_ADDRESSES)
      : []
    return key?.length === 32 ? [{ networkKey: key, addresses }] : []
  })
}
