/** Names of peers: a peer of epione is its Ed25519 network public key, which libp2p writes as a peer id. */
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { EpioneError } from '../encoding/errors.ts'

/** Bytes of a network public key. */
export const NETWORK_KEY_LENGTH = 32

/** Longest address that is read, in characters. */
const MAX_ADDRESS_LENGTH = 512

/**
 * The libp2p peer id of a network public key.
 * @throws EpioneError `bad-key` where the bytes are not an Ed25519 public key.
 */
export function peerIdOf(networkKey: Uint8Array): PeerId {
  if (networkKey.length !== NETWORK_KEY_LENGTH) {
    throw new EpioneError('bad-key', `A network key has ${NETWORK_KEY_LENGTH} bytes, not ${networkKey.length}.`)
  }
  try {
    return peerIdFromPublicKey(publicKeyFromRaw(networkKey))
  } catch (cause) {
    throw new EpioneError('bad-key', 'The bytes are not an Ed25519 public key.', { cause })
  }
}

/** The network public key of a libp2p peer id; `undefined` where the peer has a key of another kind. */
export function networkKeyOf(peerId: PeerId): Uint8Array | undefined {
  return peerId.type === 'Ed25519' ? Uint8Array.from(peerId.publicKey.raw) : undefined
}

/**
 * Reads an address such as `/ip4/192.0.2.7/tcp/7821/p2p/12D3Koo...`.
 * @throws EpioneError `bad-address`
 */
export function parsePeerAddress(text: string): Multiaddr {
  if (text.length > MAX_ADDRESS_LENGTH) throw badAddress(`${text.slice(0, 64)}...`)
  let address: Multiaddr
  try {
    address = multiaddr(text)
    const peer = peerOfAddress(address)
    if (peer !== undefined && networkKeyOf(peer) === undefined) throw badAddress(text)
  } catch (cause) {
    throw cause instanceof EpioneError ? cause : badAddress(text, cause)
  }
  if (address.getComponents().length === 0) throw badAddress(text)
  return address
}

/** The peer that an address names at its end; `undefined` where it names none. */
export function peerOfAddress(address: Multiaddr): PeerId | undefined {
  const text = address.getComponents().findLast(component => component.name === 'p2p')?.value
  return text === undefined ? undefined : peerIdFromString(text)
}

function badAddress(text: string, cause?: unknown): EpioneError {
  return new EpioneError('bad-address', `"${text}" is not an address; write it like /ip4/192.0.2.7/tcp/7821/p2p/<peer id>.`, { cause })
}
