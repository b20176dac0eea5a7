/** What became of repairs since the start, for the operator. */
import { Tally } from '../../encoding/tally.ts'
import { MemberTally } from '../member-tally.ts'

export interface RepairActivity {
  /** Orders that reached the ledger. */
  ordered: number
  /** Attempts that failed, by code. */
  failed: Record<string, number>
}

export class RepairCounts {
  /**
   * By helper: `without` is who had not what it said it holds, `wrong-sum` who took part in a sum that was wrong (somebody in it
   * lied, nobody can say who), any other code is a failure of its own.
   */
  readonly helpers = new MemberTally()
  readonly #failed = new Tally()
  #ordered = 0

  ordered(count: number): void {
    this.#ordered += count
  }

  failed(code: string): void {
    this.#failed.add(code)
  }

  report(): RepairActivity {
    return { ordered: this.#ordered, failed: this.#failed.counts() }
  }
}
