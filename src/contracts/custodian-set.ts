/** The set of custodians as contracts read and change it: each set stays under the height at which it came. */
import type { ActionContext, ActionState } from './action.ts'
import { auditRecordCodec } from './audits-formats.ts'
import { type Custodians, counterCodec, custodiansCodec, type Parameters } from './members-formats.ts'
import { stateKey } from './state-keys.ts'

export function readCustodians(state: ActionState): Custodians {
  const height = state.read(counterCodec, stateKey.custodiansHeight()) as number
  return state.read(custodiansCodec, stateKey.custodians(height)) ?? []
}

/** How long fragments that were placed over a former set may still be anchored, in ms: as long as custodians keep them without an anchor. */
export const ANCHOR_GRACE_MS = 60 * 60 * 1000

/**
 * Whether fragments that were placed over the set of this height may be anchored. A set may change at any time, without anybody's doing where
 * a custodian is absent: an upload under way must not be lost for that, and placement is followed through every later set all the same.
 */
export function mayAnchor({ state, timeMs }: ActionContext, memberHeight: number): boolean {
  if (memberHeight === state.read(counterCodec, stateKey.custodiansHeight())) return true
  const until = state.read(counterCodec, stateKey.custodiansUntil(memberHeight))
  return until !== undefined && timeMs <= until + ANCHOR_GRACE_MS
}

export function writeCustodians({ state, height, timeMs }: ActionContext, custodians: Custodians): void {
  const before = state.read(counterCodec, stateKey.custodiansHeight()) as number
  if (before !== height) state.write(counterCodec, stateKey.custodiansUntil(before), timeMs)
  state.write(custodiansCodec, stateKey.custodians(height), custodians)
  state.write(counterCodec, stateKey.custodiansHeight(), height)
}

/** Whether audits found a custodian absent: until it answers, no vote brings it back into the set. */
export function isAbsent(state: ActionState, id: Uint8Array): boolean {
  return state.read(auditRecordCodec, stateKey.audit(id))?.standing === 'absent'
}

/**
 * Whether records can be placed over `after` wherever they could over `before`: n custodians in all, and n under every residency policy that
 * had as many. An absence must never make a folder unwritable.
 */
export function staysPlaceable({ n, policies }: Pick<Parameters, 'n' | 'policies'>, before: Custodians, after: Custodians): boolean {
  const eligible = (custodians: Custodians, jurisdictions: readonly string[] | null): number =>
    custodians.filter(({ jurisdiction }) => jurisdictions === null || jurisdictions.includes(jurisdiction)).length
  return (
    after.length >= n && policies.every(({ jurisdictions }) => eligible(before, jurisdictions) < n || eligible(after, jurisdictions) >= n)
  )
}
