/** Finds a grant's opening and wrap at the custodians of its folder. */

import { consentCommitment, consentOpeningCodec } from '../contracts/consent-terms.ts'
import { consentCodec } from '../contracts/consents-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import type { SigningKey } from '../crypto/signature.ts'
import { concat, equalBytes } from '../encoding/bytes.ts'
import { domain } from '../encoding/hash.ts'
import { wrapHash } from '../fragments/formats.ts'
import { isPastOf } from '../fragments/past-keys.ts'
import { place } from '../fragments/placement.ts'
import { FOLDER_ASK_DOMAIN, folderAskCodec, folderRequestCodec, wrapResponseCodec } from '../network/light-messages.ts'
import type { Network } from '../network/network.ts'
import { PROTOCOL } from '../network/protocols.ts'
import type { Chain } from './chain.ts'
import { type Directory, latestCustodians } from './directory.ts'
import { folderAt, notFound, policyOf } from './folder-facts.ts'

const REQUEST_TIMEOUT_MS = 5_000

export interface FoundGrant {
  readonly opening: Uint8Array
  readonly wrap: Uint8Array
  readonly commitment: Uint8Array
  readonly epoch: number
  /** Private halves of the epochs before, sealed to the key that is wrapped. */
  readonly past: Uint8Array | null
}

export interface GrantFinder {
  /** @throws EpioneError `not-found` where there is no such grant in force, or it is not for this key */
  find(folder: Uint8Array, consent: Uint8Array, key: SigningKey): Promise<FoundGrant>
}

export interface GrantFinderDependencies {
  chain: Chain
  directory: Directory
  network: Network
  now: () => number
  /** This node's own custodian, which it asks without the network. */
  local: (request: Uint8Array, peer: Uint8Array) => Promise<Uint8Array>
}

/** A finder for grants to this node's own organisation: it asks with the organisation's key. */
export function createGrantFinder(deps: GrantFinderDependencies): GrantFinder {
  return {
    async find(folder, consent, key) {
      const { chain, directory, network } = deps
      const state = chain.tip.tree
      const value = state.get(stateKey.consent(folder, consent))
      if (value === undefined) throw notFound()
      const line = consentCodec.decode(value)
      const parameters = chain.parameters
      const present = folderAt(state, folder)
      let best: FoundGrant | undefined
      const custodians = place({
        key: folder,
        custodians: latestCustodians(state).custodians,
        n: parameters.n,
        k: parameters.k,
        policy: policyOf(state, folder),
      })
      for (const custodian of custodians.custodians) {
        const member = directory.byId(custodian.id)
        if (member === undefined) continue
        const content = folderAskCodec.encode({
          chainId: chain.chainId,
          folder,
          consent,
          custodian: custodian.id,
          peer: network.networkKey,
          time: deps.now(),
        })
        const signature = key.sign(concat(domain(FOLDER_ASK_DOMAIN), content))
        const request = folderRequestCodec.encode({ type: 'get-wrap', value: { content, key: key.publicKey, signature } })
        try {
          const own = equalBytes(member.organisation.networkKey, network.networkKey)
          const bytes = own
            ? await deps.local(request, network.networkKey)
            : await network.request(member.organisation.networkKey, PROTOCOL.folder, request, {
                timeoutMs: REQUEST_TIMEOUT_MS,
                maxResponse: wrapResponseCodec.maxBytes,
              })
          const answer = wrapResponseCodec.decode(bytes)
          if (!equalBytes(wrapHash(answer.wrap), line.wrapHash)) continue
          if (!equalBytes(consentCommitment(consentOpeningCodec.decode(answer.opening)), line.commitment)) continue
          const { opening, wrap, past } = answer
          best ??= { opening, wrap, past, commitment: line.commitment, epoch: line.epoch }
          if (present !== undefined && isPastOf(present, line.epoch, past)) return { ...best, past }
        } catch {
          // The next custodian may have it.
        }
      }
      // Without the past the grant opens what was sealed since its epoch began.
      if (best !== undefined) return best
      throw notFound()
    },
  }
}
