/** Values of one height with the application's verdicts on them. */
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { BLOCK_VERSION, type Header, headerHash, validatorSetHash } from '../ledger/header.ts'
import type { Tip } from './application.ts'
import { candidateId } from './messages.ts'
import type { ValueId } from './votes.ts'

/** Lists of batches that are kept for one header: honest proposers have one. */
const MAX_LISTS_PER_VALUE = 4

/** A header with one list of batches. */
export interface Candidate {
  readonly id: Uint8Array
  readonly value: ValueId
  readonly header: Header
  readonly batches: Uint8Array[]
  verdict: boolean | undefined
  /** The application is asked. */
  asked: boolean
  /** The application could not tell, or was told wrong by a quorum: asked again at the next rebroadcast. */
  stuck: boolean
}

export class Candidates {
  readonly #tip: Tip
  readonly #validatorsHash: Uint8Array
  readonly #byId = new Map<string, Candidate>()

  constructor(tip: Tip) {
    this.#tip = tip
    this.#validatorsHash = validatorSetHash(tip.validators)
  }

  /**
   * The candidate of a header and a list of batches, made where it is new. Where a value has too many lists, the oldest one that
   * is not known to be valid gives way: wrong lists must not keep the right one out.
   */
  admit(header: Header, batches: Uint8Array[]): Candidate {
    const id = candidateId(header, batches)
    const known = this.#byId.get(toHex(id))
    if (known !== undefined) return known
    const value = toHex(headerHash(header))
    const lists = this.ofValue(value)
    const oldest = lists.length < MAX_LISTS_PER_VALUE ? undefined : lists.find(({ verdict }) => verdict !== true)
    if (oldest !== undefined) this.#byId.delete(toHex(oldest.id))
    // What does not even stand on this tip is wrong for everybody who has this tip: the application need not look.
    const verdict = this.#standsOnTip(header) ? undefined : false
    const candidate: Candidate = { id, value, header, batches, verdict, asked: false, stuck: false }
    this.#byId.set(toHex(id), candidate)
    return candidate
  }

  get(id: Uint8Array): Candidate | undefined {
    return this.#byId.get(toHex(id))
  }

  get size(): number {
    return this.#byId.size
  }

  all(): Candidate[] {
    return [...this.#byId.values()]
  }

  ofValue(value: ValueId): Candidate[] {
    return this.all().filter(candidate => candidate.value === value)
  }

  /** The candidate of a value that was found valid. */
  valid(value: ValueId): Candidate | undefined {
    return this.ofValue(value).find(candidate => candidate.verdict === true)
  }

  /** The verdict on a proposal: that of its header with any list, else that of its own list. */
  verdict(candidate: Candidate): boolean | undefined {
    return this.valid(candidate.value) === undefined ? candidate.verdict : true
  }

  /** Forgets candidates that `keep` does not want. */
  retain(keep: (candidate: Candidate) => boolean): void {
    for (const [id, candidate] of this.#byId) if (!keep(candidate)) this.#byId.delete(id)
  }

  #standsOnTip(header: Header): boolean {
    const { header: parent, hash } = this.#tip
    return (
      equalBytes(header.chainId, parent.chainId) &&
      header.version === BLOCK_VERSION &&
      header.height === parent.height + 1 &&
      header.time > parent.time &&
      equalBytes(header.parent, hash) &&
      equalBytes(header.validatorsHash, this.#validatorsHash)
    )
  }
}
