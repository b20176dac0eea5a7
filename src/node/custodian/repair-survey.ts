/** Asks other custodians what they hold. */

import { equalBytes, parseHex, toHex } from '../../encoding/bytes.ts'
import { errorCode, MalformedError } from '../../encoding/errors.ts'
import type { Network } from '../../network/network.ts'
import { INVENTORY_LIMIT } from '../../network/repair-messages.ts'
import type { Directory } from '../directory.ts'
import type { Logger } from '../logger.ts'
import type { Placed } from './holdings.ts'
import { askInventory } from './repair-client.ts'
import type { Helper } from './repair-plan.ts'

/** How long one question may take, in ms. */
const QUESTION_MS = 10_000

export interface RepairSurveyDependencies {
  directory: Directory
  network: Network
  logger: Logger
}

export class RepairSurvey {
  readonly #options: { custodian: Uint8Array; signal: AbortSignal }
  readonly #deps: RepairSurveyDependencies

  /** @param options `signal` ends every question */
  constructor(options: { custodian: Uint8Array; signal: AbortSignal }, dependencies: RepairSurveyDependencies) {
    this.#options = options
    this.#deps = dependencies
  }

  /** Who of the others, today's holders and former ones, says that it holds what, by submission. Who does not answer holds nothing. */
  async inventory(all: readonly Placed[]): Promise<Map<string, Helper[]>> {
    const { custodian } = this.#options
    const byHolder = new Map<string, { id: Uint8Array; asked: { root: Uint8Array; index: number }[] }>()
    for (const { root, entitled } of all) {
      for (const [name, index] of entitled) {
        const id = parseHex(name)
        if (id === undefined || equalBytes(id, custodian)) continue
        const known = byHolder.get(toHex(id)) ?? { id, asked: [] }
        known.asked.push({ root, index })
        byHolder.set(toHex(id), known)
      }
    }
    const found = new Map<string, Helper[]>()
    await Promise.all(
      [...byHolder.values()].map(async ({ id, asked }) => {
        for (let i = 0; i < asked.length; i += INVENTORY_LIMIT) {
          const page = asked.slice(i, i + INVENTORY_LIMIT)
          const held = await this.ask(id, async (peer, signal) => {
            return await askInventory(
              this.#deps.network,
              peer,
              page.map(({ root }) => root),
              signal,
            )
          })
          if (held === undefined) return
          for (const [j, { root, index }] of page.entries()) {
            if (held[j]) found.set(toHex(root), [...(found.get(toHex(root)) ?? []), { id, index }])
          }
        }
      }),
    )
    return found
  }

  /** Asks a member; undefined where it gives no right answer. */
  async ask<T>(member: Uint8Array, ask: (peer: Uint8Array, signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    const { directory, logger } = this.#deps
    const { signal } = this.#options
    const peer = directory.byId(member)
    if (peer?.status !== 'active') return undefined
    try {
      return await ask(peer.organisation.networkKey, AbortSignal.any([signal, AbortSignal.timeout(QUESTION_MS)]))
    } catch (error) {
      signal.throwIfAborted()
      this.blame(peer.organisation.networkKey, error)
      logger.debug({ member: toHex(member).slice(0, 8), code: errorCode(error) }, 'a custodian could not be asked for a repair')
      return undefined
    }
  }

  /** Holds against a peer what is its fault. */
  blame(peer: Uint8Array, error: unknown): void {
    if (error instanceof MalformedError) this.#deps.network.report(peer, 'malformed')
  }
}
