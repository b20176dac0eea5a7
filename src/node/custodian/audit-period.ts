/** The block that challenges stand on: the first of each period, so that nobody chooses what is asked by choosing a block. */
import { AUDIT_PERIOD_MS } from '../../fragments/audit.ts'
import { headerHash } from '../../ledger/header.ts'
import type { Chain } from '../chain.ts'

/** Periods that a challenge may lag behind the tip: one is under way while a period begins. */
const MAX_LAG = 1

const periodOf = (timeMs: number): number => Math.floor(timeMs / AUDIT_PERIOD_MS)

async function periodAt({ store }: Chain, height: number): Promise<number | undefined> {
  const stored = await store.header(height)
  return stored === undefined ? undefined : periodOf(stored.header.time)
}

/** Gives the blocks that challenges stand on. It is the same one all day: the last is remembered. */
export class ChallengeBlocks {
  readonly #chain: Chain
  #last: { height: number; period: number; hash: Uint8Array } | undefined

  constructor(chain: Chain) {
    this.#chain = chain
  }

  /** Hash of the block at `height` where that is the first of a period that counts; undefined where it is not. Takes hostile heights. */
  async at(height: number): Promise<Uint8Array | undefined> {
    const first = this.#last?.height === height ? this.#last : await this.#first(height)
    if (first === undefined || first.period < periodOf(this.#chain.tip.header.time) - MAX_LAG) return undefined
    this.#last = first
    return first.hash
  }

  async #first(height: number): Promise<{ height: number; period: number; hash: Uint8Array } | undefined> {
    const stored = height < 1 ? undefined : await this.#chain.store.header(height)
    if (stored === undefined) return undefined
    const period = periodOf(stored.header.time)
    if (height > 1 && (await periodAt(this.#chain, height - 1)) === period) return undefined
    return { height, period, hash: headerHash(stored.header) }
  }
}

/** Finds the first block of the present period, once for each period. */
export class PresentPeriod {
  readonly #chain: Chain
  #found: { period: number; height: number } | undefined

  constructor(chain: Chain) {
    this.#chain = chain
  }

  /** Height of the first block of the tip's period; undefined before the first block. */
  async height(): Promise<number | undefined> {
    const { height: tip, time } = this.#chain.tip.header
    if (tip < 1) return undefined
    const period = periodOf(time)
    if (this.#found?.period !== period) {
      let [low, high] = [1, tip]
      while (low < high) {
        const middle = Math.floor((low + high) / 2)
        if (((await periodAt(this.#chain, middle)) ?? -1) < period) low = middle + 1
        else high = middle
      }
      this.#found = { period, height: low }
    }
    return this.#found.height
  }
}
