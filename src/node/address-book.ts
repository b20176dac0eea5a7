/** Where the members' nodes are: from the addresses given at the start, and from what members say of each other. */
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { jsonResponseCodec, lightRequestCodec } from '../network/light-messages.ts'
import type { Network } from '../network/network.ts'
import { networkKeyOf, parsePeerAddress, peerOfAddress } from '../network/peer.ts'
import { readPeersReport } from '../network/peers-report.ts'
import { MAX_LIGHT_RESPONSE, PROTOCOL } from '../network/protocols.ts'
import type { Directory } from './directory.ts'
import type { Logger } from './logger.ts'

/** Most addresses that are kept of one member. */
const MAX_ADDRESSES = 8
const REQUEST_TIMEOUT_MS = 5_000

export interface AddressBookDependencies {
  directory: Directory
  network: Network
  logger: Logger
}

export class AddressBook {
  readonly #deps: AddressBookDependencies
  readonly #addresses = new Map<string, string[]>()
  #stop: (() => void) | undefined

  /** @throws EpioneError `bad-address` where a bootstrap address does not name its peer */
  constructor(dependencies: AddressBookDependencies, bootstrap: readonly string[]) {
    this.#deps = dependencies
    for (const address of bootstrap) {
      const peer = peerOfAddress(parsePeerAddress(address))
      const key = peer === undefined ? undefined : networkKeyOf(peer)
      if (key === undefined) throw new EpioneError('bad-address', `The bootstrap address ${address} must end in /p2p/ and the peer's id.`)
      this.#add(key, [address])
    }
  }

  addressesOf(networkKey: Uint8Array): string[] {
    if (equalBytes(networkKey, this.#deps.network.networkKey)) return this.#deps.network.addresses()
    return this.#addresses.get(toHex(networkKey)) ?? []
  }

  /** Asks each member that connects where the others are; calls back when something new was learnt. */
  start(onChange: () => void): void {
    const { directory, network } = this.#deps
    this.#stop = network.onPeer(({ type, peer }) => {
      if (type === 'connect' && directory.byNetworkKey(peer) !== undefined) void this.#ask(peer, onChange)
    })
  }

  stop(): void {
    this.#stop?.()
  }

  async #ask(peer: Uint8Array, onChange: () => void): Promise<void> {
    const { directory, network, logger } = this.#deps
    try {
      const request = lightRequestCodec.encode({ type: 'peers', value: {} })
      const answer = await network.request(peer, PROTOCOL.light, request, {
        timeoutMs: REQUEST_TIMEOUT_MS,
        maxResponse: MAX_LIGHT_RESPONSE,
      })
      let learnt = false
      for (const { networkKey, addresses } of readPeersReport(jsonResponseCodec.decode(answer).json)) {
        if (directory.byNetworkKey(networkKey) !== undefined && this.#add(networkKey, addresses)) learnt = true
      }
      if (learnt) onChange()
    } catch (error) {
      logger.debug({ peer: toHex(peer).slice(0, 8), code: errorCode(error) }, 'could not ask a member for addresses')
    }
  }

  #add(networkKey: Uint8Array, addresses: readonly string[]): boolean {
    const key = toHex(networkKey)
    const known = this.#addresses.get(key) ?? []
    const fresh = addresses.filter(address => !known.includes(address))
    if (fresh.length === 0 || known.length >= MAX_ADDRESSES) return false
    this.#addresses.set(key, [...known, ...fresh].slice(0, MAX_ADDRESSES))
    return true
  }
}
