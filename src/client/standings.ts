/**
 * What a light peer remembers of the custodians that it asked: how quick they were, and what they did wrong. By it the next read
 * begins with the best. It is this client's own experience and nobody's verdict: nothing of it is sent anywhere.
 */
import { parseHex, toHex } from '../encoding/bytes.ts'

/** Most custodians that are remembered; above it, the one that was heard of least lately is forgotten. */
const MAX_CUSTODIANS = 1024
/** Most codes of failures that are counted apart for one custodian; further ones are counted as `other`. */
const MAX_CODES = 32
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

/** What is known of one custodian. */
export interface CustodianStanding {
  readonly custodian: Uint8Array
  readonly name: string
  /** Bytes of fragments that it delivered and that were right. */
  readonly servedBytes: number
  /** How often it was asked for fragments or lists. */
  readonly asked: number
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
}

interface Entry {
  custodian: Uint8Array
  name: string
  servedBytes: number
  asked: number
  failures: Map<string, number>
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

  failed(member: Named, code: string): void {
    const entry = this.#entry(member)
    const name = entry.failures.has(code) || entry.failures.size < MAX_CODES - 1 ? code : 'other'
    entry.failures.set(name, (entry.failures.get(name) ?? 0) + 1)
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
    return [...this.#entries.values()].map(({ custodian, name, servedBytes, asked, failures, firstByteMs, msPerByte }) => ({
      custodian,
      name,
      servedBytes,
      asked,
      failures: Object.fromEntries(failures),
      firstByteMs: firstByteMs ?? null,
      bytesPerSecond: msPerByte === undefined || msPerByte === 0 ? null : 1000 / msPerByte,
    }))
  }

  /** What decides the order of custodians, to be kept over runs. */
  memory(): RememberedCustodian[] {
    return [...this.#entries.values()].map(({ custodian, name, firstByteMs, msPerByte, cost, at }) => ({
      custodian: toHex(custodian),
      name,
      firstByteMs: firstByteMs ?? null,
      msPerByte: msPerByte ?? null,
      cost,
      at,
    }))
  }

  /** Takes over what an earlier run kept; what this one knows already stays. */
  remember(memory: readonly RememberedCustodian[]): void {
    for (const { custodian, name, firstByteMs, msPerByte, cost, at } of memory) {
      const id = parseHex(custodian)
      if (id?.length !== 32 || this.#entries.has(custodian)) continue
      const entry = this.#entry({ id, organisation: { name } })
      entry.firstByteMs = firstByteMs ?? undefined
      entry.msPerByte = msPerByte ?? undefined
      entry.cost = cost
      entry.at = at
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
      failures: new Map<string, number>(),
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

function mean(before: number | undefined, value: number): number {
  return before === undefined ? value : (1 - NEWEST) * before + NEWEST * value
}
