/**
 * Who holds which fragment today: placement at the height that the anchor names, followed through every change of the custodians
 * since. Pure: everybody computes the same from the ledger.
 */
import { toHex } from '../encoding/bytes.ts'
import { best, Candidate, type Custodian, checkCustodians, type PlacementRequest, place } from './placement.ts'

/** Custodians by their ids in hex. */
export type CustodianSet = ReadonlyMap<string, Custodian>

export interface Holders {
  /** The custodian at index i is to hold fragment i; undefined where nobody may. */
  readonly custodians: readonly (Custodian | undefined)[]
  /** Some jurisdiction had to get k fragments or more, which can open the record without any other. */
  readonly relaxed: boolean
  /** The one index of everybody who holds or has held one, by id in hex: the fragment that it may have. */
  readonly entitled: ReadonlyMap<string, number>
}

/** Prepares a set of custodians, once for all that is placed over it. @throws MalformedError */
export function custodianSet(custodians: readonly Custodian[]): CustodianSet {
  checkCustodians(custodians)
  return new Map(custodians.map(custodian => [toHex(custodian.id), custodian]))
}

/**
 * The holders after the later sets of custodians, one for each change since the request's, in their order.
 *
 * Whoever stays, keeps its index: one that joins moves nothing, one that leaves moves what it held and no more. A holder has left
 * where it is no custodian any more, or where it is now outside the residency policy. Its index goes by the same rendezvous
 * rule to a custodian under the policy that holds none, and that **never held another index** of this version: one that left may have kept what it had,
 * and with k indices it could read alone. So one that comes back gets its old index or none. Jurisdictions are kept below k
 * fragments where there is a choice. Where nobody may take an index, it stays vacant until somebody can: residency is never broken.
 *
 * @throws EpioneError `too-few-custodians` where the first placement was impossible
 */
export function holdersAfter(request: PlacementRequest, later: readonly CustodianSet[]): Holders {
  const { key, k, policy } = request
  const holders: (Custodian | undefined)[] = [...place(request).custodians]
  /** The one index that a custodian holds or has held. */
  const entitled = new Map<string, number>()
  holders.forEach((holder, index) => {
    if (holder !== undefined) entitled.set(toHex(holder.id), index)
  })
  const isEligible = ({ jurisdiction }: Custodian): boolean => policy === null || policy.includes(jurisdiction)
  for (const set of later) {
    holders.forEach((holder, index) => {
      const present = holder === undefined ? undefined : set.get(toHex(holder.id))
      holders[index] = present !== undefined && isEligible(present) ? present : undefined
    })
    for (const [index, holder] of holders.entries()) {
      if (holder !== undefined) continue
      const counts = countByJurisdiction(holders)
      const room = [...set].flatMap(([name, custodian]) => {
        const before = entitled.get(name)
        return isEligible(custodian) && (before === undefined || before === index) ? [custodian] : []
      })
      const held = ({ jurisdiction }: Custodian): number => counts.get(jurisdiction) ?? 0
      const limit = Math.max(k - 1, Math.min(...room.map(held)) + 1)
      const candidates = room.filter(custodian => held(custodian) < limit)
      if (candidates.length === 0) continue
      const winner = best(
        candidates.map(custodian => new Candidate(key, custodian)),
        index,
      )
      holders[index] = winner
      entitled.set(toHex(winner.id), index)
    }
  }
  const relaxed = [...countByJurisdiction(holders).values()].some(count => count >= k)
  return { custodians: holders, relaxed, entitled }
}

function countByJurisdiction(holders: readonly (Custodian | undefined)[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const holder of holders) {
    if (holder !== undefined) counts.set(holder.jurisdiction, (counts.get(holder.jurisdiction) ?? 0) + 1)
  }
  return counts
}
