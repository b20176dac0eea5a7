/**
 * Keeps connections to the members: one dial per pair, for ever, with a growing pause. Of two members the one with the smaller
 * network key dials, for simultaneous dials leave two connections. The other one dials too where it is known to have no address
 * of its own, or when no connection has come within a moment: the way may be open in one direction alone, or the other one
 * is between two attempts, as it is when this node comes back.
 */
import { compareBytes, toHex } from '../encoding/bytes.ts'
import type { Logger } from './logger.ts'
import type { Member } from './members.ts'

const FIRST_PAUSE_MS = 100
/** A dial in one or two seconds to each member that is gone costs little, and a quorum that comes back waits no longer than that. */
const LONGEST_PAUSE_MS = 2_000
/** How long the larger key waits for the smaller to dial. The other may be in its longest pause, as after a restart of this node. */
const PATIENCE_MS = 500

interface Target {
  member: Member
  attempts: number
  timer: NodeJS.Timeout | undefined
  dialing: boolean
}

export interface DialerDeps {
  isConnected(peer: Uint8Array): boolean
  /** Dials the member at its known addresses; rejects where none answers. */
  dial(member: Member, signal: AbortSignal): Promise<void>
  logger: Logger
}

export class MemberDialer {
  readonly #self: Uint8Array
  readonly #deps: DialerDeps
  readonly #targets = new Map<string, Target>()
  #reachable = true
  #running = false
  #stopped = new AbortController()

  constructor(self: Uint8Array, deps: DialerDeps) {
    this.#self = self
    this.#deps = deps
  }

  start(): void {
    this.#running = true
    this.#stopped = new AbortController()
    for (const target of this.#targets.values()) this.#schedule(target)
  }

  stop(): void {
    this.#running = false
    this.#stopped.abort()
    for (const target of this.#targets.values()) clearTimeout(target.timer)
  }

  /** Members to be connected to. The own entry, where there is one, says whether others know an address of this node. */
  update(members: readonly Member[]): void {
    const wanted = new Set<string>()
    this.#reachable = true
    for (const member of members) {
      const key = toHex(member.networkKey)
      if (compareBytes(member.networkKey, this.#self) === 0) {
        this.#reachable = (member.addresses?.length ?? 0) > 0
        continue
      }
      if ((member.addresses?.length ?? 0) === 0) continue
      wanted.add(key)
      const target = this.#targets.get(key)
      if (target === undefined) this.#targets.set(key, { member, attempts: 0, timer: undefined, dialing: false })
      else target.member = member
    }
    for (const [key, target] of this.#targets) {
      if (!wanted.has(key)) {
        clearTimeout(target.timer)
        this.#targets.delete(key)
      } else if (this.#running) {
        this.#schedule(target)
      }
    }
  }

  disconnected(peer: Uint8Array): void {
    const target = this.#targets.get(toHex(peer))
    if (target === undefined || !this.#running) return
    target.attempts = 0
    this.#schedule(target)
  }

  #schedule(target: Target): void {
    if (target.dialing || this.#deps.isConnected(target.member.networkKey)) return
    clearTimeout(target.timer)
    target.timer = setTimeout(() => void this.#attempt(target), this.#pause(target))
  }

  #pause(target: Target): number {
    const dials = !this.#reachable || compareBytes(this.#self, target.member.networkKey) < 0
    if (target.attempts === 0) return dials ? 0 : PATIENCE_MS
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(target.attempts - 1, 16))
    // Spread, so that nodes that lost the same peer do not come back in step.
    return pause * (0.5 + Math.random() / 2)
  }

  async #attempt(target: Target): Promise<void> {
    const { member } = target
    target.timer = undefined
    if (!this.#running || this.#deps.isConnected(member.networkKey)) return
    target.dialing = true
    target.attempts += 1
    try {
      await this.#deps.dial(member, this.#stopped.signal)
    } catch (error) {
      this.#deps.logger.debug(
        { peer: toHex(member.networkKey).slice(0, 16), attempt: target.attempts, error: String(error) },
        'dial failed',
      )
    } finally {
      target.dialing = false
      if (this.#running && this.#targets.get(toHex(member.networkKey)) === target) this.#schedule(target)
    }
  }
}
