/** The members as the newest state has them, by each of their keys. */

import { type AuditRecord, auditRecordCodec, NEW_RECORD } from '../contracts/audits-formats.ts'
import { hasSeat } from '../contracts/evidence-formats.ts'
import { accountKeyCodec, consensusKeyHash } from '../contracts/member-keys.ts'
import { type Account, accountCodec, type Custodians, counterCodec, custodiansCodec } from '../contracts/members-formats.ts'
import { NAMESPACE, stateKey } from '../contracts/state-keys.ts'
import { compareBytes, equalBytes, toHex } from '../encoding/bytes.ts'
import type { StateReader } from '../ledger/state-tree.ts'
import type { Chain } from './chain.ts'

export interface Member extends Account {
  readonly id: Uint8Array
}

export class Directory {
  readonly #chain: Chain
  #byId = new Map<string, Member>()
  #byNetworkKey = new Map<string, Member>()
  #byConsensusKey = new Map<string, Member>()
  readonly #listeners = new Set<() => void>()
  readonly #stops: (() => void)[]

  constructor(chain: Chain) {
    this.#chain = chain
    this.#read()
    const changed = (): void => {
      this.#read()
      for (const listener of this.#listeners) listener()
    }
    this.#stops = [
      chain.onCommit(({ candidate }) => {
        if (candidate.changes.some(({ key }) => key[0] === NAMESPACE.account)) changed()
      }),
      chain.onReplace(changed),
    ]
  }

  stop(): void {
    for (const stop of this.#stops) stop()
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener)
  }

  #read(): void {
    this.#byId = new Map()
    this.#byNetworkKey = new Map()
    this.#byConsensusKey = new Map()
    for (const [key, value] of this.#chain.tip.tree.entries(stateKey.accounts())) {
      const member: Member = { id: key.slice(1), ...accountCodec.decode(value) }
      this.#byId.set(toHex(member.id), member)
      if (member.status !== 'active') continue
      this.#byNetworkKey.set(toHex(member.organisation.networkKey), member)
      if (member.organisation.consensusKey !== null) this.#byConsensusKey.set(toHex(member.organisation.consensusKey), member)
    }
  }

  /** Active members, ascending by id. */
  active(): Member[] {
    return [...this.#byNetworkKey.values()].sort((a, b) => compareBytes(a.id, b.id))
  }

  /** A member by account id, removed ones included. */
  byId(id: Uint8Array): Member | undefined {
    return this.#byId.get(toHex(id))
  }

  byNetworkKey(key: Uint8Array): Member | undefined {
    return this.#byNetworkKey.get(toHex(key))
  }

  /** The member that holds a consensus key, or held it last: a seat outlives its member's removal or eviction by two blocks. */
  byConsensusKey(key: Uint8Array): Member | undefined {
    const present = this.#byConsensusKey.get(toHex(key))
    if (present !== undefined) return present
    const id = this.#chain.tip.tree.get(stateKey.accountKey(consensusKeyHash(key)))
    return id === undefined ? undefined : this.byId(accountKeyCodec.decode(id))
  }

  /** The consensus key with which a peer takes part in the height that is being decided, else the one that it holds. */
  consensusKeyOf(networkKey: Uint8Array): Uint8Array | undefined {
    const own = this.byNetworkKey(networkKey)?.organisation.consensusKey ?? undefined
    const { current, next } = this.#chain.tip.validators
    if (own !== undefined && hasSeat(next, own)) return own
    const signing = [...next.validators, ...current.validators].find(({ publicKey }) => {
      const holder = this.byConsensusKey(publicKey)
      return holder !== undefined && equalBytes(holder.organisation.networkKey, networkKey)
    })
    return signing?.publicKey ?? own
  }

  /**
   * Whom the network is to let in: active members, and removed ones while their seat still signs. Without those a block could lack
   * its quorum for ever.
   */
  peers(): { networkKey: Uint8Array; validator: boolean }[] {
    const { current, next, decided } = this.#chain.tip.validators
    const seats = new Map<string, Member>()
    for (const { publicKey } of [...current.validators, ...next.validators, ...decided.validators]) {
      const holder = this.byConsensusKey(publicKey)
      if (holder !== undefined) seats.set(toHex(holder.organisation.networkKey), holder)
    }
    const leaving = [...seats.values()].filter(({ status }) => status === 'removed')
    return [...this.active(), ...leaving].map(({ organisation: { networkKey } }) => ({
      networkKey,
      validator: seats.has(toHex(networkKey)),
    }))
  }
}

/** The newest set of custodians in a state, and the height from which it stands. */
export function latestCustodians(state: StateReader): { height: number; custodians: Custodians } {
  const height = counterCodec.decode(state.get(stateKey.custodiansHeight()) as Uint8Array)
  return { height, custodians: custodiansAt(state, height) as Custodians }
}

/** A custodian's record of audits in a state. */
export function auditRecordOf(state: StateReader, id: Uint8Array): AuditRecord {
  const value = state.get(stateKey.audit(id))
  return value === undefined ? NEW_RECORD : auditRecordCodec.decode(value)
}

/** The set of custodians of a height at which it changed; undefined for other heights. */
export function custodiansAt(state: StateReader, height: number): Custodians | undefined {
  const value = state.get(stateKey.custodians(height))
  return value === undefined ? undefined : custodiansCodec.decode(value)
}
