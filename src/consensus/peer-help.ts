/** Peers at other heights: those behind get the decision that they lack, those ahead are where blocks are to be had. Rate-limited. */
import { toHex } from '../encoding/bytes.ts'
import type { Application, Clock, ConsensusTransport } from './application.ts'
import { consensusMessageCodec } from './messages.ts'

const MAX_PEERS = 512

export class PeerHelp {
  readonly #application: Application
  readonly #transport: ConsensusTransport
  readonly #clock: Clock
  /** Time that votes of a height that was just left may be under way, and the shortest time between two answers to one peer. */
  readonly #graceMs: number
  #enteredMs: number
  #height = 0
  #aheadMs = Number.NEGATIVE_INFINITY
  #cancel: (() => void) | undefined
  readonly #answeredMs = new Map<string, number>()

  constructor(dependencies: { application: Application; transport: ConsensusTransport; clock: Clock }, graceMs: number) {
    this.#application = dependencies.application
    this.#transport = dependencies.transport
    this.#clock = dependencies.clock
    this.#graceMs = graceMs
    this.#enteredMs = this.#clock.now()
  }

  entered(height: number): void {
    this.#height = height
    this.#enteredMs = this.#clock.now()
    this.#cancel?.()
    this.#cancel = undefined
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** A peer still speaks of `height`, which this node has stored. */
  old(height: number, present: number, from: Uint8Array): void {
    const decided = this.#application.decided?.bind(this.#application)
    const now = this.#clock.now()
    // The last votes of a height arrive after it is decided: that is no sign of a peer in need.
    if (decided === undefined || (height === present - 1 && now - this.#enteredMs < this.#graceMs)) return
    const peer = toHex(from)
    if (now - (this.#answeredMs.get(peer) ?? Number.NEGATIVE_INFINITY) < this.#graceMs) return
    if (this.#answeredMs.size >= MAX_PEERS) this.#answeredMs.clear()
    this.#answeredMs.set(peer, now)
    decided(height).then(
      decision => {
        if (decision === undefined) return
        const { header, certificate } = decision
        this.#transport.send(from, consensusMessageCodec.encode({ type: 'certificate', value: { header, certificate } }))
      },
      () => {
        // The peer asks again by speaking again.
      },
    )
  }

  /** A peer speaks of `height`, which this node has not reached. */
  ahead(height: number, present: number, from: Uint8Array): void {
    if (this.#application.behind === undefined) return
    if (height > present + 1) {
      const now = this.#clock.now()
      if (now - this.#aheadMs < this.#graceMs / 4) return
      this.#aheadMs = now
      this.#application.behind(height, from)
      return
    }
    // One height ahead is the rule for a moment after each decision: only where it lasts are blocks missing.
    this.#cancel ??= this.#clock.setTimer(this.#graceMs / 2, () => {
      this.#cancel = undefined
      if (this.#height === present) this.#application.behind?.(height, from)
    })
  }
}
