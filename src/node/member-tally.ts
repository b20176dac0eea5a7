/** Counts by member and by stable code, since the start. */
import { MAX_MEMBERS } from '../contracts/members-formats.ts'
import { toHex } from '../encoding/bytes.ts'
import { Tally } from '../encoding/tally.ts'

export class MemberTally {
  /** By account. */
  readonly #members = new Map<string, Tally>()

  /** Counts one more of a member. Beyond as many as a network may have, new ones are not counted. */
  add(account: Uint8Array, code: string): void {
    const name = toHex(account)
    let tally = this.#members.get(name)
    if (tally === undefined) {
      if (this.#members.size >= MAX_MEMBERS) return
      tally = new Tally()
      this.#members.set(name, tally)
    }
    tally.add(code)
  }

  countsOf(account: Uint8Array): Record<string, number> {
    return this.#members.get(toHex(account))?.counts() ?? {}
  }
}
