/** Orders repairs on the ledger, in batches. */

import { type RepairEntry, type RepairOrder, repairEntryCodec, repairOrdersCodec } from '../../contracts/repairs-formats.ts'
import { stateKey } from '../../contracts/state-keys.ts'
import { randomBytes } from '../../crypto/random.ts'
import type { SigningKey } from '../../crypto/signature.ts'
import { equalBytes } from '../../encoding/bytes.ts'
import { errorCode } from '../../encoding/errors.ts'
import { createTransaction } from '../../ledger/transaction.ts'
import type { Chain } from '../chain.ts'
import type { Logger } from '../logger.ts'
import type { TransactionService } from '../transactions.ts'
import type { RepairCounts } from './repair-counts.ts'
import { chooseHelpers, type Doubts, type Ordered, type Repair } from './repair-plan.ts'

/** Most orders of one transaction: with 32 helpers each they stay below its limit. */
export const ORDERS_AT_ONCE = 32
/** How long an order may take to reach the ledger, in ms, and how long its transaction is valid. */
const ORDER_WAIT_MS = 20_000
const ORDER_VALIDITY_MS = 60_000

export interface RepairOrdersOptions {
  custodian: Uint8Array
  accountKey: SigningKey
  /** Ends every wait. */
  signal: AbortSignal
}

export interface RepairOrdersDependencies {
  chain: Chain
  transactions: Pick<TransactionService, 'submit'>
  doubts: Doubts
  counts: Pick<RepairCounts, 'ordered'>
  logger: Logger
  now: () => number
}

export class RepairOrders {
  readonly #options: RepairOrdersOptions
  readonly #deps: RepairOrdersDependencies

  constructor(options: RepairOrdersOptions, dependencies: RepairOrdersDependencies) {
    this.#options = options
    this.#deps = dependencies
  }

  /** Puts orders on the ledger for repairs that have none which still serves; gives those of which the order stands. */
  async order(repairs: readonly Repair[]): Promise<Ordered[]> {
    const { chain, transactions, logger } = this.#deps
    const { custodian, accountKey } = this.#options
    const standing: Ordered[] = []
    const wanted: Ordered[] = []
    for (const repair of repairs) {
      const last = this.#entry(repair)
      const attempt = (last?.attempt ?? 0) + 1
      // After a restart, or when nothing could be stored here, the last order may still serve. One whose helpers failed never does.
      const serves =
        last !== undefined &&
        last.index === repair.index &&
        last.attempt !== repair.job.failedAttempt &&
        last.helpers.every(({ id, index }) => repair.there.some(helper => helper.index === index && equalBytes(helper.id, id)))
      if (serves) {
        standing.push({ ...repair, helpers: last.helpers, attempt: last.attempt })
        continue
      }
      const helpers = chooseHelpers(repair.there, repair.k, this.#deps.doubts, repair.placed.root, attempt)
      if (helpers !== undefined) wanted.push({ ...repair, helpers, attempt })
    }
    if (wanted.length === 0) return standing
    const orders = wanted.map(
      ({ placed, index, helpers, attempt }): RepairOrder => ({
        folder: placed.folder,
        submissionRoot: placed.root,
        index,
        helpers: [...helpers],
        attempt,
      }),
    )
    const transaction = createTransaction(
      {
        chainId: chain.chainId,
        from: { kind: 'account', id: custodian },
        validUntil: Math.max(this.#deps.now(), chain.tip.header.time) + ORDER_VALIDITY_MS,
        nonce: randomBytes(16),
        contract: 'repairs',
        action: 'order',
        body: repairOrdersCodec.encode({ orders }),
        sponsor: null,
      },
      accountKey,
    )
    try {
      await transactions.submit(transaction.bytes)
      await this.#reached(wanted)
    } catch (error) {
      this.#options.signal.throwIfAborted()
      logger.debug({ code: errorCode(error) }, 'repairs could not be ordered yet')
    }
    const ordered = wanted.filter(repair => this.#entry(repair)?.attempt === repair.attempt)
    this.#deps.counts.ordered(ordered.length)
    return [...standing, ...ordered]
  }

  #entry({ placed }: Repair): RepairEntry | undefined {
    const bytes = this.#deps.chain.tip.tree.get(stateKey.repair(placed.folder, placed.root, this.#options.custodian))
    return bytes === undefined ? undefined : repairEntryCodec.decode(bytes)
  }

  /** Waits until the ledger here shows the orders. */
  async #reached(wanted: readonly Ordered[]): Promise<void> {
    const { chain } = this.#deps
    const signal = AbortSignal.any([this.#options.signal, AbortSignal.timeout(ORDER_WAIT_MS)])
    while (!signal.aborted && wanted.some(repair => this.#entry(repair)?.attempt !== repair.attempt)) {
      await chain.waitAbove(chain.tip.header.height, { signal })
    }
  }
}
