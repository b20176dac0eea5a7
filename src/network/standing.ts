/** How peers behaved, and who is kept out for a while. Both tables are bounded; the oldest entry goes first. */

/** `malformed`: bytes that are not what their format says. `flood`: more than its budget. `lie`: a claim that its proof refutes. */
export type Offence = 'malformed' | 'flood' | 'lie'

const WEIGHT: Readonly<Record<Offence, number>> = { flood: 12, malformed: 30, lie: 60 }
/** Points at which a peer is banned, and the time in which half of them are forgiven. */
const BAN_AT = 100
const HALF_LIFE_MS = 60_000
const MAX_ENTRIES = 4_096
/** A member is needed again soon; a stranger can come with another key anyway. */
export const MEMBER_BAN_MS = 60_000
export const STRANGER_BAN_MS = 600_000

export class Standing {
  readonly #now: () => number
  readonly #points = new Map<string, { points: number; atMs: number }>()
  readonly #bannedUntil = new Map<string, number>()

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Notes an offence; true where the peer is banned by it. */
  report(peer: string, offence: Offence, member: boolean): boolean {
    const nowMs = this.#now()
    const before = this.#points.get(peer)
    const kept = before === undefined ? 0 : before.points * 0.5 ** ((nowMs - before.atMs) / HALF_LIFE_MS)
    const points = kept + WEIGHT[offence]
    this.#points.delete(peer)
    if (points < BAN_AT) {
      bounded(this.#points).set(peer, { points, atMs: nowMs })
      return false
    }
    this.#bannedUntil.delete(peer)
    bounded(this.#bannedUntil).set(peer, nowMs + (member ? MEMBER_BAN_MS : STRANGER_BAN_MS))
    return true
  }

  isBanned(peer: string): boolean {
    const until = this.#bannedUntil.get(peer)
    if (until === undefined) return false
    if (until > this.#now()) return true
    this.#bannedUntil.delete(peer)
    return false
  }
}

/** The map with room for one more. */
function bounded<V>(map: Map<string, V>): Map<string, V> {
  if (map.size >= MAX_ENTRIES) {
    const [oldest] = map.keys()
    if (oldest !== undefined) map.delete(oldest)
  }
  return map
}
