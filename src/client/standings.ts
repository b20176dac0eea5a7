/**
 * What a light peer remembers of the custodians that it asked: how quick they were, and what they did wrong. By it the next read
 * begins with the best. It is this client's own experience and nobody's verdict: nothing of it is sent anywhere.
 */
import { parseHex, toHex } from '../encoding/bytes.ts'
import { Tally } from '../encoding/tally.ts'

/** Most custodians that are remembered; above it, the one that was heard of least lately is forgotten. */
const MAX_CUSTODIANS = 1024
/** Weight of the newest measurement in the running means. */
const NEWEST = 0.3
/** After this time a failure weighs half, in ms. */
const HALF_LIFE_MS = 10 * 60 * 1000
/** What one failure costs in the order of custodians, in ms of waiting. A refusal may well be right, and costs less. */
const FAILURE_COST_MS = 5_000
const REFUSAL_COST_MS = 1_000
/** Fewer bytes than these tell nothing about a rate. */
const MIN_RATED_BYTES = 256 * 1024
/** What is assumed of a custodian that was never asked, in ms per first byte. */
const UNKNOWN_MS = 300

/** A custodian that sent something wrong, or failed, in one read or write. */
export interface CustodianFailure {
  /** Account of the custodian. */
  readonly custodian: Uint8Array
  /** Name of its organisation. */
  readonly name: string
  /** Stable code: `corrupt-fragment`, `invalid-proof`, `malformed`, `not-found`, `timeout`, `too-slow`, ... */
  readonly code: string
}

/**
 * How asking a custodian went, in few words whatever it sends. `wrong`: bytes, keys or proofs that are not what their author committed
 * to, or that cannot be read. `late`: others had to be asked in its place. `not-found`: it said that it has nothing, though its place at the
 * anchor gives it a fragment and others showed theirs (honest after a write that it missed, before its repair). `unreachable`: no
 * connection, or one that broke.
 */
export const OUTCOMES = ['served', 'wrong', 'late', 'not-found', 'unreachable', 'other'] as const
export type CustodianOutcome = (typeof OUTCOMES)[number]
export type OutcomeCounts = Readonly<Record<CustodianOutcome, number>>

const OUTCOME_OF: Readonly<Record<string, CustodianOutcome>> = {
  'corrupt-fragment': 'wrong',
  'invalid-proof': 'wrong',
  malformed: 'wrong',
  'too-slow': 'late',
  timeout: 'late',
  unreachable: 'unreachable',
  'connection-lost': 'unreachable',
}

/** What is known of one custodian. Counts are of all runs that are remembered, `failures` of this one. */
export interface CustodianStanding {
  readonly custodian: Uint8Array
  readonly name: string
  /** Bytes of fragments that it delivered and that were right. */
  readonly servedBytes: number
  /** How often it was asked for fragments or lists. */
  readonly asked: number
  /** Fragments that it delivered whole (`served`), and what else became of asking it. */
  readonly outcomes: OutcomeCounts
  /** Failures by code. `too-slow` is where others had to be asked in its place. */
  readonly failures: Readonly<Record<string, number>>
  /** Running mean of the time from asking to the first answer, in ms; null where it never answered. */
  readonly firstByteMs: number | null
  /** Running mean of its rate, in bytes per second while it was waited for; null where that is not known. */
  readonly bytesPerSecond: number | null
}

/** One custodian as it is kept over runs. */
export interface RememberedCustodian {
  /** Hex. */
  readonly custodian: string
  readonly name: string
  readonly firstByteMs: number | null
  readonly msPerByte: number | null
  /** Cost of its failures at `at`, in ms. */
  readonly cost: number
  readonly at: number
  readonly servedBytes: number
  readonly asked: number
  readonly outcomes: OutcomeCounts
}

interface Entry {
  custodian: Uint8Array
  name: string
  servedBytes: number
  asked: number
  outcomes: Record<CustodianOutcome, number>
  failures: Tally
  firstByteMs: number | undefined
  msPerByte: number | undefined
  /** Cost of its failures at `at`, in ms. */
  cost: number
  at: number
}

interface Named {
  readonly id: Uint8Array
  readonly organisation: { readonly name: string }
}

export class Standings {
  readonly #now: () => number
  readonly #entries = new Map<string, Entry>()

  constructor(now: () => number) {
    this.#now = now
  }

  asked(member: Named): void {
    this.#entry(member).asked++
  }

  /** It answered after so long. */
  answered(member: Named, ms: number): void {
    const entry = this.#entry(member)
    entry.firstByteMs = mean(entry.firstByteMs, ms)
  }

  /** It delivered right bytes, for which it was waited so long. */
  served(member: Named, bytes: number, waitedMs: number): void {
    if (bytes === 0) return
    const entry = this.#entry(member)
    entry.servedBytes += bytes
    if (bytes >= MIN_RATED_BYTES) entry.msPerByte = mean(entry.msPerByte, waitedMs / bytes)
  }

  /** It delivered a fragment to its end, and all of it was right. */
  delivered(member: Named): void {
    this.#entry(member).outcomes.served++
  }

  /** @param placed whether its place at the anchor gives it a fragment: then a `not-found` is worth counting apart */
  failed(member: Named, code: string, placed = false): void {
    const entry = this.#entry(member)
    entry.failures.add(code)
    entry.outcomes[outcomeOf(code, placed)]++
    const now = this.#now()
    entry.cost = this.#cost(entry) + (code === 'not-found' ? REFUSAL_COST_MS : FAILURE_COST_MS)
    entry.at = now
  }

  /** The members, those first from whom the quickest answer is expected; those of whom nothing tells apart keep their order. */
  rank<T extends Named>(members: readonly T[]): T[] {
    const scored = members.map(member => ({ member, score: this.#score(this.#entries.get(toHex(member.id))) }))
    return scored.sort((a, b) => a.score - b.score).map(({ member }) => member)
  }

  list(): CustodianStanding[] {
    return [...this.#entries.values()].map(({ custodian, name, servedBytes, asked, outcomes, failures, firstByteMs, msPerByte }) => ({
      custodian,
      name,
      servedBytes,
      asked,
      outcomes: { ...outcomes },
      failures: failures.counts(),
      firstByteMs: firstByteMs ?? null,
      bytesPerSecond: msPerByte === undefined || msPerByte === 0 ? null : 1000 / msPerByte,
    }))
  }

  /** What decides the order of custodians, and what was counted, to be kept over runs. */
  memory(): RememberedCustodian[] {
    return [...this.#entries.values()].map(({ custodian, name, firstByteMs, msPerByte, cost, at, servedBytes, asked, outcomes }) => ({
      custodian: toHex(custodian),
      name,
      firstByteMs: firstByteMs ?? null,
      msPerByte: msPerByte ?? null,
      cost,
      at,
      servedBytes,
      asked,
      outcomes: { ...outcomes },
    }))
  }

  /** Takes over what an earlier run kept; what this one knows already stays. */
  remember(memory: readonly RememberedCustodian[]): void {
    for (const { custodian, name, firstByteMs, msPerByte, cost, at, servedBytes, asked, outcomes } of memory) {
      const id = parseHex(custodian)
      if (id?.length !== 32 || this.#entries.has(custodian)) continue
      const entry = this.#entry({ id, organisation: { name } })
      entry.firstByteMs = firstByteMs ?? undefined
      entry.msPerByte = msPerByte ?? undefined
      entry.cost = cost
      entry.at = at
      entry.servedBytes = servedBytes
      entry.asked = asked
      entry.outcomes = { ...outcomes }
    }
  }

  #cost({ cost, at }: Entry): number {
    return cost * 0.5 ** (Math.max(0, this.#now() - at) / HALF_LIFE_MS)
  }

  /** Expected wait for the first byte and a megabyte after it, in ms, with what its failures cost. */
  #score(entry: Entry | undefined): number {
    if (entry === undefined) return UNKNOWN_MS
    return (entry.firstByteMs ?? UNKNOWN_MS) + (entry.msPerByte ?? 0) * 1e6 + this.#cost(entry)
  }

  #entry({ id, organisation }: Named): Entry {
    const key = toHex(id)
    const known = this.#entries.get(key)
    const entry = known ?? {
      custodian: id,
      name: organisation.name,
      servedBytes: 0,
      asked: 0,
      outcomes: noOutcomes(),
      failures: new Tally(),
      firstByteMs: undefined,
      msPerByte: undefined,
      cost: 0,
      at: 0,
    }
    // Last in the map is who was heard of last.
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    const oldest = this.#entries.keys().next()
    if (this.#entries.size > MAX_CUSTODIANS && oldest.done !== true) this.#entries.delete(oldest.value)
    return entry
  }
}

/** Nothing counted yet. */
export function noOutcomes(): Record<CustodianOutcome, number> {
  return { served: 0, wrong: 0, late: 0, 'not-found': 0, unreachable: 0, other: 0 }
}

function outcomeOf(code: string, placed: boolean): CustodianOutcome {
  if (code === 'not-found') return placed ? 'not-found' : 'other'
  return Object.hasOwn(OUTCOME_OF, code) ? (OUTCOME_OF[code] as CustodianOutcome) : 'other'
}

function mean(before: number | undefined, value: number): number {
  return before === undefined ? value : (1 - NEWEST) * before + NEWEST * value
}
