/** Finds at the custodians of a folder what they keep for this node's organisation: grants, and disputes of what it wrote. */

import { consentCommitment, consentOpeningCodec } from '../contracts/consent-terms.ts'
import { consentCodec } from '../contracts/consents-formats.ts'
import { disputeCommitment, disputeId, disputeOpeningCodec } from '../contracts/disputes-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import type { SigningKey } from '../crypto/signature.ts'
import { compareBytes, concat, equalBytes, toHex } from '../encoding/bytes.ts'
import { domain } from '../encoding/hash.ts'
import { wrapHash } from '../fragments/formats.ts'
import { isPastOf } from '../fragments/past-keys.ts'
import { place } from '../fragments/placement.ts'
import {
  disputesResponseCodec,
  FOLDER_ASK_DOMAIN,
  folderAskCodec,
  folderRequestCodec,
  MAX_DISPUTES,
  wrapResponseCodec,
} from '../network/light-messages.ts'
import type { Network } from '../network/network.ts'
import { MAX_LIGHT_RESPONSE, PROTOCOL } from '../network/protocols.ts'
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
  /** Disputes of a folder of which this organisation is the author, after an id: what any of its custodians has. */
  disputes(folder: Uint8Array, after: Uint8Array | null, key: SigningKey): Promise<FoundDisputes>
}

/** A dispute; whether the ledger has it is the caller's to check. */
export interface FoundDispute {
  readonly dispute: Uint8Array
  readonly opening: Uint8Array
  /** The statement, sealed to the organisation. */
  readonly forAuthor: Uint8Array
}

/** One page of them, in the order of their ids. */
export interface FoundDisputes {
  readonly disputes: readonly FoundDispute[]
  /** Id behind which the next page begins; null where this was the last. */
  readonly next: Uint8Array | null
}

export interface GrantFinderDependencies {
  chain: Chain
  directory: Directory
  network: Network
  now: () => number
  /** This node's own custodian, which it asks without the network. */
  local: (request: Uint8Array, peer: Uint8Array) => Promise<Uint8Array>
}

/** A finder for what custodians keep for this node's own organisation: it asks with the organisation's key. */
export function createGrantFinder(deps: GrantFinderDependencies): GrantFinder {
  return {
    async find(folder, consent, key) {
      const value = deps.chain.tip.tree.get(stateKey.consent(folder, consent))
      if (value === undefined) throw notFound()
      const line = consentCodec.decode(value)
      const present = folderAt(deps.chain.tip.tree, folder)
      let best: FoundGrant | undefined
      const encode = (ask: SignedFolderAsk): Uint8Array => folderRequestCodec.encode({ type: 'get-wrap', value: ask })
      for await (const bytes of answers(deps, { folder, consent }, key, encode)) {
        try {
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

    async disputes(folder, after, key) {
      const found = new Map<string, FoundDispute>()
      let more = false
      const encode = (ask: SignedFolderAsk): Uint8Array => folderRequestCodec.encode({ type: 'get-disputes', value: { ...ask, after } })
      for await (const bytes of answers(deps, { folder, consent: null }, key, encode)) {
        try {
          const page = disputesResponseCodec.decode(bytes)
          // Who says that there is more and shows nothing has nothing.
          more ||= page.more && page.disputes.length > 0
          for (const { shown, forAuthor } of page.disputes) {
            const opening = disputeOpeningCodec.decode(shown.opening)
            const isRight = equalBytes(opening.folder, folder) && equalBytes(disputeId(folder, disputeCommitment(opening)), shown.dispute)
            if (isRight) found.set(toHex(shown.dispute), { dispute: shown.dispute, opening: shown.opening, forAuthor })
          }
        } catch {
          // The next custodian may do better.
        }
      }
      const all = [...found.values()].sort((a, b) => compareBytes(a.dispute, b.dispute))
      const disputes = all.slice(0, MAX_DISPUTES)
      return { disputes, next: more || all.length > disputes.length ? (disputes.at(-1)?.dispute ?? null) : null }
    },
  }
}

type SignedFolderAsk = { content: Uint8Array; key: Uint8Array; signature: Uint8Array }

/** What the custodians of a folder answer, one after another; who does not is passed over. */
async function* answers(
  { chain, directory, network, now, local }: GrantFinderDependencies,
  { folder, consent }: { folder: Uint8Array; consent: Uint8Array | null },
  key: SigningKey,
  encode: (ask: SignedFolderAsk) => Uint8Array,
): AsyncGenerator<Uint8Array> {
  const state = chain.tip.tree
  const { n, k } = chain.parameters
  const { custodians } = place({ key: folder, custodians: latestCustodians(state).custodians, n, k, policy: policyOf(state, folder) })
  for (const custodian of custodians) {
    const member = directory.byId(custodian.id)
    if (member === undefined) continue
    const { networkKey } = member.organisation
    const asked = { chainId: chain.chainId, folder, consent, custodian: custodian.id, peer: network.networkKey, time: now() }
    const content = folderAskCodec.encode(asked)
    const request = encode({ content, key: key.publicKey, signature: key.sign(concat(domain(FOLDER_ASK_DOMAIN), content)) })
    try {
      yield equalBytes(networkKey, network.networkKey)
        ? await local(request, network.networkKey)
        : await network.request(networkKey, PROTOCOL.folder, request, { timeoutMs: REQUEST_TIMEOUT_MS, maxResponse: MAX_LIGHT_RESPONSE })
    } catch {
      // The next custodian may have it.
    }
  }
}
