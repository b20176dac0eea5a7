/**
 * Transactions that this node keeps for a while before they go on, because who signed them asked for it: acts of one person that come together
 * tell that they are one person's. They are kept in memory alone: after a restart they are gone, and whoever handed them in looks and repeats.
 */
import { toHex } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import type { Logger } from './logger.ts'

/** Most transactions that are held at once. */
const MAX_HELD = 4096
/** Most bytes of them. */
const MAX_HELD_BYTES = 16 * 1024 * 1024

export interface HeldDependencies {
  /** Hands a transaction on when its time has come. */
  submit: (bytes: Uint8Array) => Promise<unknown>
  logger: Logger
}

export class HeldTransactions {
  readonly #deps: HeldDependencies
  readonly #timers = new Map<string, NodeJS.Timeout>()
  #bytes = 0

  constructor(dependencies: HeldDependencies) {
    this.#deps = dependencies
  }

  get count(): number {
    return this.#timers.size
  }

  /** Keeps a transaction that was checked; one that is kept already stays as it is. @throws EpioneError `busy` */
  add(transaction: { id: Uint8Array; bytes: Uint8Array }, holdMs: number): void {
    const key = toHex(transaction.id)
    if (this.#timers.has(key)) return
    const { length } = transaction.bytes
    if (this.#timers.size >= MAX_HELD || this.#bytes + length > MAX_HELD_BYTES)
      throw new EpioneError('busy', 'This node holds as many transactions back as it may; send it at once, or ask another node.')
    const release = (): void => {
      this.#timers.delete(key)
      this.#bytes -= length
      this.#deps.submit(transaction.bytes).catch((error: unknown) => {
        this.#deps.logger.debug({ code: errorCode(error) }, 'a transaction that was held back is no longer let in')
      })
    }
    this.#bytes += length
    this.#timers.set(key, setTimeout(release, holdMs))
  }

  stop(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    this.#bytes = 0
  }
}
