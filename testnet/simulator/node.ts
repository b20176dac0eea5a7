/**
 * A simulated node: the real engine with its log and guard, on a simulated disk, clock, network and ledger. It lives, dies in the
 * middle of whatever it does, and lives again on what its disk kept.
 */
import type { Engine, EngineStatus, Verifier } from '../../src/consensus/application.ts'
import { createEngine } from '../../src/consensus/engine.ts'
import type { ConsensusMessage } from '../../src/consensus/messages.ts'
import type { SigningKey } from '../../src/crypto/signature.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import type { SeededRandom } from '../population/random.ts'
import { BlockStore, Ledger, type Rules, type SimulatedBlock } from './application.ts'
import { SimulatedDisk } from './disk.ts'
import type { Mischief } from './mischief.ts'
import type { Speaker } from './observer.ts'
import type { Scheduler } from './scheduler.ts'

/** How often a node asks another for its blocks, in ms. */
const POLL_MS = 4_000
/** Pause before a batch that nobody handed over is asked for again, in ms. */
const FETCH_AGAIN_MS = 250

export interface NodeOptions {
  readonly index: number
  /** Name for reports. */
  readonly name: string
  readonly key: SigningKey
  readonly honest: boolean
  readonly timeouts: { readonly proposeMs: number; readonly voteMs: number; readonly growthMs: number }
  readonly heartbeatMs: number
  readonly syncMs: number
  skewMs: number
}

/** What a node needs of the world around it. */
export interface Surroundings {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly rules: Rules
  readonly verifier: Verifier
  readonly genesis: SimulatedBlock
  /** Reads a frame; the same bytes are read once. */
  decode(bytes: Uint8Array): ConsensusMessage
  /** Bytes to one node, or to all others. */
  send(from: SimulatedNode, bytes: Uint8Array, to?: number): void
  /** Node with a key, other than this one; where there are twins, all of them. */
  withKey(key: Uint8Array): number[]
  /** Asks another node for a batch. */
  fetch(from: SimulatedNode, batch: Uint8Array): void
  /** Asks another node for the blocks above this node's tip; `from` names it by key, or chance does. */
  pull(node: SimulatedNode, from?: Uint8Array): void
  announce(node: SimulatedNode, block: SimulatedBlock): void
  stored(node: SimulatedNode, block: SimulatedBlock): void
  /** An honest node that runs has failed. */
  failed(node: SimulatedNode, error: unknown): void
  crashed(node: SimulatedNode): void
}

/** Thrown wherever a life ends. */
class LifeOver extends Error {}

interface Life {
  alive: boolean
  /** Operations left before it ends by itself. */
  stepsLeft: number
}

export class SimulatedNode implements Speaker {
  readonly options: NodeOptions
  readonly key: string
  readonly store: BlockStore
  readonly disk: SimulatedDisk
  mischief: Mischief | null = null
  ledger: Ledger | null = null
  engine: Engine | null = null
  /** Log lines of the engine in this life: event names. */
  readonly events: string[] = []
  crashes = 0
  /** Heights that a life of this node began with, the first one aside. */
  readonly #restarts = new Set<number>()
  readonly #world: Surroundings
  #life: Life | null = null
  #latestMs = 0
  /** What happens once a pause is over; null where the node runs. */
  #held: (() => void)[] | null = null
  #cancelPoll: (() => void) | undefined

  constructor(options: NodeOptions, world: Surroundings) {
    this.options = options
    this.key = toHex(options.key.publicKey)
    this.#world = world
    this.store = new BlockStore(world.genesis)
    this.disk = new SimulatedDisk({
      scheduler: world.scheduler,
      syncMs: () => (options.syncMs === 0 ? 0 : world.random.int(0, options.syncMs)),
    })
  }

  get name(): string {
    return this.options.name
  }

  get honest(): boolean {
    return this.options.honest
  }

  get alive(): boolean {
    return this.#life !== null
  }

  get height(): number {
    return this.store.tip.header.height
  }

  nowMs(): number {
    const nowMs = this.#world.scheduler.nowMs + this.options.skewMs
    this.#latestMs = Math.max(this.#latestMs, nowMs)
    return nowMs
  }

  latestMs(): number {
    return Math.max(this.#latestMs, this.nowMs())
  }

  holds(batch: Uint8Array): boolean {
    return this.ledger?.holds(batch) ?? false
  }

  restartedAt(height: number): boolean {
    return this.#restarts.has(height)
  }

  status(): EngineStatus | undefined {
    return this.engine?.status()
  }

  start(): void {
    if (this.#life !== null) return
    const life: Life = { alive: true, stepsLeft: Number.POSITIVE_INFINITY }
    this.#life = life
    this.#held = null
    if (this.crashes > 0) this.#restarts.add(this.height + 1)
    const step = (): void => this.#step(life)
    const { key, timeouts, heartbeatMs } = this.options
    const world = this.#world
    try {
      const disk = this.disk.mount(step)
      const ledger = new Ledger({
        rules: world.rules,
        store: this.store,
        verifier: world.verifier,
        fetch: batch => this.#fetch(life, batch),
        wait: () => this.#wait(life),
        nowMs: () => this.nowMs(),
        heartbeatMs,
        onCommitted: (block, bySync) => {
          world.stored(this, block)
          if (!bySync && ledger.announces(block, key.publicKey)) world.announce(this, block)
        },
        onBehind: from => world.pull(this, from),
      })
      this.ledger = ledger
      const engine = createEngine(
        { chainId: world.rules.chainId, key, timeouts },
        {
          application: ledger,
          disk,
          verifier: world.verifier,
          decode: bytes => world.decode(bytes),
          transport: {
            broadcast: bytes => {
              if (this.#lives(life)) world.send(this, bytes)
            },
            send: (validator, bytes) => {
              if (!this.#lives(life)) return
              for (const to of world.withKey(validator)) world.send(this, bytes, to)
            },
          },
          clock: { now: () => this.nowMs(), setTimer: (ms, fn) => world.scheduler.after(ms, () => this.#run(life, fn)) },
          logger: {
            log: (_level, event) => {
              if (life.alive && this.events.length < 10_000) this.events.push(event)
            },
          },
          onFailure: error => {
            if (life.alive) world.failed(this, error)
          },
        },
      )
      this.engine = engine
      engine.start().catch((error: unknown) => {
        if (life.alive) world.failed(this, error)
      })
    } catch (error) {
      if (!(error instanceof LifeOver)) throw error
    }
    this.#poll(life)
  }

  /** The power goes, after so many more operations. */
  crash(steps = 0): void {
    if (this.#life === null) return
    this.#life.stepsLeft = steps
    if (steps === 0) this.#end(this.#life)
  }

  pause(): void {
    this.#held ??= []
  }

  resume(): void {
    const held = this.#held
    this.#held = null
    const life = this.#life
    if (held === null || life === null) return
    for (const run of held) this.#run(life, run)
  }

  /** Something that comes from outside happens to this node, if it lives. */
  meet(happen: () => void): void {
    if (this.#life !== null) this.#run(this.#life, happen)
  }

  receive(bytes: Uint8Array, from: Uint8Array): void {
    this.meet(() => {
      if (this.mischief !== null) this.#tempt(this.mischief, bytes)
      this.engine?.receive(bytes, from)
    })
  }

  #tempt(mischief: Mischief, bytes: Uint8Array): void {
    let message: ConsensusMessage
    try {
      message = this.#world.decode(bytes)
    } catch {
      return
    }
    mischief.incoming(message, bytes)
  }

  hold(batch: Uint8Array): void {
    this.meet(() => {
      if (this.ledger?.hold(batch) === true) this.engine?.wake()
    })
  }

  /** Blocks that another node stored. Those that do not verify are passed over, as is everything above them. */
  accept(blocks: readonly Pick<SimulatedBlock, 'header' | 'batches' | 'certificate'>[]): void {
    this.meet(() => {
      const { ledger, engine } = this
      if (ledger === null || engine === null) return
      const take = async (): Promise<void> => {
        const before = this.height
        for (const block of blocks) await ledger.accept(block)
        if (this.height > before) await engine.syncedTo(ledger.tip())
      }
      take().catch((error: unknown) => {
        if (error instanceof LifeOver) return
        if (errorCode(error) === 'execution-differs') this.#world.failed(this, error)
      })
    })
  }

  sees(validator: Uint8Array): void {
    this.meet(() => this.engine?.connected(validator))
  }

  #step(life: Life): void {
    if (!life.alive) throw new LifeOver()
    if (--life.stepsLeft >= 0) return
    this.#end(life)
    throw new LifeOver()
  }

  /** As {@link #step}, for what may not throw. */
  #lives(life: Life): boolean {
    try {
      this.#step(life)
      return true
    } catch {
      return false
    }
  }

  #end(life: Life): void {
    life.alive = false
    this.#life = null
    this.engine = null
    this.ledger = null
    this.#held = null
    this.#cancelPoll?.()
    this.crashes++
    this.disk.crash(this.#world.random)
    const survived = this.store.crash(this.#world.random.chance(0.5))
    if (survived !== null) this.#world.stored(this, survived)
    this.#world.crashed(this)
  }

  #run(life: Life, happen: () => void): void {
    if (!life.alive) return
    if (this.#held !== null) {
      this.#held.push(happen)
      return
    }
    try {
      happen()
    } catch (error) {
      if (!(error instanceof LifeOver)) throw error
    }
  }

  /** The disk takes a block. */
  async #wait(life: Life): Promise<void> {
    this.#step(life)
    const ms = this.options.syncMs === 0 ? 0 : this.#world.random.int(0, this.options.syncMs)
    if (ms > 0) await new Promise<void>(resolve => this.#world.scheduler.after(ms, () => this.#run(life, resolve)))
    this.#step(life)
  }

  #fetch(life: Life, batch: Uint8Array): void {
    if (!life.alive || this.holds(batch)) return
    this.#world.fetch(this, batch)
    const height = this.height
    this.#world.scheduler.after(FETCH_AGAIN_MS, () =>
      this.#run(life, () => {
        if (this.height === height) this.#fetch(life, batch)
      }),
    )
  }

  #poll(life: Life): void {
    this.#cancelPoll = this.#world.scheduler.after(POLL_MS + this.#world.random.int(0, POLL_MS / 4), () =>
      this.#run(life, () => {
        this.#world.pull(this)
        this.#poll(life)
      }),
    )
  }

  /** Whether this node has the same key as another one. */
  isTwinOf(other: SimulatedNode): boolean {
    return this !== other && equalBytes(this.options.key.publicKey, other.options.key.publicKey)
  }
}
