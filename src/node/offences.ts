/** What the ledger has on validators that signed twice, and how this node's own seat stands: for the node's report of itself. */
import { type Conviction, convictionCodec, hasSeat, type Offence } from '../contracts/evidence-formats.ts'
import { consensusKeyHash } from '../contracts/member-keys.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { toHex } from '../encoding/bytes.ts'
import type { StateTree } from '../ledger/state-tree.ts'
import type { ChainTip } from './chain.ts'
import type { Directory } from './directory.ts'

/** Most offences that a report shows, the newest. */
export const MAX_SHOWN_OFFENCES = 64

export interface OffenceReport {
  /** Name of the organisation, and its account. */
  name: string
  account: string
  /** Consensus key that signed twice, in hex. */
  validator: string
  /** What it signed two of, and where. */
  kind: Offence['kind']
  height: number
  round: number
  /** Block that took the evidence in. */
  reportedAt: number
  /** Block in which evidence cost this key its seat; null where it did not. */
  evictedAt: number | null
  /** Whether the key holds a seat all the same. */
  seated: boolean
}

/** What the ledger has on a consensus key. */
export function convictionAt(tree: StateTree, consensusKey: Uint8Array): Conviction | undefined {
  const value = tree.get(stateKey.conviction(consensusKeyHash(consensusKey)))
  return value === undefined ? undefined : convictionCodec.decode(value)
}

/** The newest offences on the ledger, the latest first. */
export function offencesOf({ tree, validators }: ChainTip, directory: Directory): OffenceReport[] {
  const offences: OffenceReport[] = []
  for (const [, value] of tree.entries(stateKey.convictions())) {
    const { account, consensusKey, offences: places, evicted } = convictionCodec.decode(value)
    for (const { kind, height, round, reported } of places) {
      offences.push({
        name: directory.byId(account)?.organisation.name ?? toHex(account).slice(0, 8),
        account: toHex(account),
        validator: toHex(consensusKey),
        ...{ kind, height, round },
        reportedAt: reported,
        evictedAt: evicted,
        seated: hasSeat(validators.decided, consensusKey),
      })
    }
  }
  return offences.sort((a, b) => b.reportedAt - a.reportedAt || b.height - a.height).slice(0, MAX_SHOWN_OFFENCES)
}

/**
 * How a node stands to the validators: `held` it votes in the height that is decided now, `coming` it will in at most two blocks,
 * `leaving` it does for at most one more block, `evicted` evidence cost it its seat, `removed` its organisation is no member any
 * more, `none` it is a member without a seat, `stranger` no member and never was one.
 */
export type SeatState = 'held' | 'coming' | 'leaving' | 'evicted' | 'removed' | 'none' | 'stranger'

export interface SeatReport {
  state: SeatState
  /** Block in which it was lost, for `evicted` and `removed`; null otherwise. */
  since: number | null
  /** One sentence for the operator. */
  summary: string
}

/** This node's own seat. */
export function seatOf(
  { tree, validators, header }: ChainTip,
  directory: Directory,
  keys: { account: Uint8Array; consensus: { publicKey: Uint8Array } },
): SeatReport {
  const key = keys.consensus.publicKey
  const [votes, stays] = [hasSeat(validators.next, key), hasSeat(validators.decided, key)]
  if (votes && stays) return { state: 'held', since: null, summary: 'It holds a seat among the validators.' }
  if (stays) return { state: 'coming', since: null, summary: `It holds a seat among the validators from height ${header.height + 2} on.` }
  const until = votes ? ` and votes up to height ${header.height + 1}` : ''
  const account = directory.byId(keys.account)
  if (account?.status === 'removed') {
    const summary = `The members removed this organisation in block ${account.since}: it holds no seat${until}, follows what is announced and is served no block that it missed.`
    return { state: votes ? 'leaving' : 'removed', since: account.since, summary }
  }
  const evictedAt = convictionAt(tree, key)?.evicted ?? null
  if (evictedAt !== null) {
    const summary = `Evidence of double signing cost it its seat in block ${evictedAt}: it follows the chain${until}; its consensus key is never given a seat again.`
    return { state: votes ? 'leaving' : 'evicted', since: evictedAt, summary }
  }
  if (votes) return { state: 'leaving', since: null, summary: `It gives up its seat${until}.` }
  if (account === undefined) return { state: 'stranger', since: null, summary: 'This organisation is no member of the network yet.' }
  return { state: 'none', since: null, summary: 'It holds no seat among the validators: it follows the chain without voting.' }
}
