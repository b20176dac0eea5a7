/**
 * A validator in one process: the real consensus service, engine, log, guard, chain, contracts and pool. Its disk and its store can lose
 * power, and its life ends at a step that is named beforehand.
 */
import type { Verifier } from '../../src/consensus/application.ts'
import type { Disk, DurableFile } from '../../src/consensus/disk.ts'
import { genesisChanges, genesisHeader } from '../../src/contracts/members.ts'
import type { Genesis } from '../../src/contracts/members-formats.ts'
import { verifySignature } from '../../src/crypto/signature.ts'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import { batchCodec, batchDigest } from '../../src/ledger/block.ts'
import { openChainStore } from '../../src/ledger/chain-store.ts'
import { StateTree } from '../../src/ledger/state-tree.ts'
import { decodeTransaction, type Transaction } from '../../src/ledger/transaction.ts'
import type { Network } from '../../src/network/network.ts'
import { Chain, type CommittedBlock } from '../../src/node/chain.ts'
import { ConsensusService } from '../../src/node/consensus-service.ts'
import { Directory } from '../../src/node/directory.ts'
import type { NodeKeys } from '../../src/node/keys.ts'
import { Mempool, type PooledBatch } from '../../src/node/mempool.ts'
import type { PeerStatusService } from '../../src/node/peer-status.ts'
import type { SyncService } from '../../src/node/sync.ts'
import type { TransactionService } from '../../src/node/transactions.ts'
import type { SeededRandom } from '../../testnet/population/random.ts'
import { SimulatedDisk } from '../../testnet/simulator/disk.ts'
import { PowerStore } from '../../testnet/simulator/power-store.ts'
import type { Scheduler } from '../../testnet/simulator/scheduler.ts'

/** Longest time that a disk takes for a sync, in ms. */
const SYNC_MS = 3
/** Pause before a batch that nobody hands over is looked for again, in ms. */
const FETCH_AGAIN_MS = 50

/** When a life is to end: at the n-th step from a moment on, or at the n-th of one kind. */
export interface Doom {
  kind: string | null
  steps: number
  /** Whether steps count only once this life has stored a block. */
  afterBlock: boolean
}

/** What a validator needs of the world around it. */
export interface Surroundings {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly genesis: Genesis
  peers(of: Validator): Validator[]
  /** Bytes to the other validators, on their way. */
  said(from: Validator, bytes: Uint8Array): void
  stored(at: Validator, block: CommittedBlock): void
  /** A life that stored so many blocks has ended, at a step of this kind. */
  died(validator: Validator, kind: string, blocks: number): void
  /** Something that must not be has happened in a running life. */
  failed(validator: Validator, error: unknown): void
}

/** Thrown wherever a life ends, and by whatever it still tries to do. */
export class LifeOver extends Error {}

interface Life {
  alive: boolean
  doom: Doom | null
  /** `opening` until the service has started. */
  phase: 'opening' | 'running'
  blocks: number
}

/** Verifies without leaving the thread, so that a run depends on its seed alone. */
const INLINE: Verifier = {
  verify: verifySignature,
  verifyAsync: async (key, message, signature) => verifySignature(key, message, signature),
}

export class Validator {
  readonly index: number
  readonly keys: NodeKeys
  pool = new Mempool()
  chain: Chain | null = null
  service: ConsensusService | null = null
  /** Height that was told to be stored, by any life. */
  acknowledged = 0
  /** The tip with which the present life began, before anything was decided in it. */
  opened: Chain['tip'] | null = null
  readonly #world: Surroundings
  readonly #disk: SimulatedDisk
  readonly #store: PowerStore
  #life: Life | null = null
  #onFrame: ((frame: Uint8Array, from: Uint8Array) => void) | null = null

  constructor(index: number, keys: NodeKeys, world: Surroundings) {
    this.index = index
    this.keys = keys
    this.#world = world
    const { scheduler, random } = world
    this.#disk = new SimulatedDisk({ scheduler, syncMs: () => random.int(0, SYNC_MS) })
    this.#store = new PowerStore({ wait: () => this.#wait(random.int(0, SYNC_MS)) })
  }

  get alive(): boolean {
    return this.#life !== null
  }

  /** Opens everything as a node does. False where the life ended before that was done. */
  async start(doom: Doom | null): Promise<boolean> {
    const life: Life = { alive: true, doom, phase: 'opening', blocks: 0 }
    this.#life = life
    try {
      await this.#open(life)
      life.phase = 'running'
      return life.alive
    } catch (error) {
      if (life.alive) throw error
      return false
    }
  }

  async #open(life: Life): Promise<void> {
    const { genesis, scheduler } = this.#world
    const step = (kind: string): void => this.#step(life, kind)
    const store = this.#store.mount(
      (part, moment) => step(`${part} ${moment}`),
      () => this.#assertAlive(life),
    )
    const changes = genesisChanges(genesis)
    const header = genesisHeader(genesis, StateTree.empty().apply(changes).root)
    const chainStore = await openChainStore(store.sublevel('chain'), { genesisHeader: header, genesisChanges: changes })
    const chain = await Chain.open(genesis, chainStore, store.sublevel('validator-sets'))
    this.#assertAlive(life)
    this.chain = chain
    this.opened = chain.tip
    this.pool = new Mempool()
    chain.onCommit(block => {
      if (!life.alive) return
      life.blocks++
      this.acknowledged = Math.max(this.acknowledged, block.header.height)
      this.pool.settle(block.candidate.transactions)
      this.#world.stored(this, block)
    })
    const run = (happen: () => void): void => this.#run(life, happen)
    const service = new ConsensusService(
      { key: this.keys.consensus },
      {
        chain,
        directory: new Directory(chain),
        network: this.#network(life) as Network,
        peerStatus: this.#peerStatus() as PeerStatusService,
        sync: () =>
          ({
            catchUp: () => this.catchUp(),
            announce: async () => undefined,
            proven: () => ({ height: chain.tip.header.height, timeMs: chain.tip.header.time, missing: null }),
          }) as unknown as SyncService,
        transactions: () => this.#transactions(life) as TransactionService,
        onEvidence: () => this.#world.failed(this, new Error('somebody signed twice')),
        logger: {
          debug: () => undefined,
          info: () => undefined,
          warn: () => undefined,
          error: (fields, message) => {
            if (life.alive && message === 'consensus.halted') this.#world.failed(this, new Error(`${message} ${JSON.stringify(fields)}`))
          },
        },
        clock: { now: () => scheduler.nowMs, setTimer: (ms, fn) => scheduler.after(ms, () => run(fn)) },
        disk: this.#stepped(
          this.#disk.mount(() => this.#assertAlive(life)),
          step,
        ),
        verifier: INLINE,
      },
    )
    this.service = service
    await service.start()
    this.catchUp()
  }

  /** Takes a transaction from a client and tells the others, as the transaction service does. */
  submit(transaction: Transaction): void {
    this.meet(() => {
      const author = this.keys.consensus.publicKey
      this.pool.add(transaction)
      const batch = this.pool.cutBatch(author, () => false)
      if (batch === undefined) return
      this.service?.wake()
      for (const peer of this.#world.peers(this)) {
        this.#world.scheduler.after(this.#world.random.int(1, 8), () => peer.meet(() => peer.#hold(batch)))
      }
    })
  }

  #hold(batch: PooledBatch): void {
    if (this.pool.addBatch(batch)) this.service?.wake()
  }

  receive(bytes: Uint8Array, from: Uint8Array): void {
    this.meet(() => this.#onFrame?.(bytes, from))
  }

  /** Something from outside happens to this validator, if it lives. */
  meet(happen: () => void): void {
    const life = this.#life
    if (life !== null) this.#run(life, happen)
  }

  /** Takes from the others what they have stored and this one has not. */
  catchUp(): void {
    const life = this.#life
    const { random, scheduler } = this.#world
    scheduler.after(random.int(1, 20), () => {
      if (life === null || !life.alive) return
      this.#pull(life).catch((error: unknown) => {
        // The other's life may have ended meanwhile.
        if (life.alive && errorCode(error) !== 'gap' && !(error instanceof LifeOver)) this.#world.failed(this, error)
      })
    })
  }

  async #pull(life: Life): Promise<void> {
    const { chain } = this
    if (chain === null) return
    const before = chain.tip.header.height
    for (const peer of this.#world.peers(this)) {
      const others = peer.chain
      while (life.alive && others !== null && peer.alive && others.tip.header.height > chain.tip.header.height) {
        const block = await others.store.block(chain.tip.header.height + 1)
        if (block === undefined) break
        await chain.accept(block)
      }
    }
    if (life.alive && chain.tip.header.height > before) await this.service?.syncedTo(chain.tip)
  }

  /** The disk of log and guard, every operation a step. */
  #stepped(disk: Disk, step: (kind: string) => void): Disk {
    return {
      open: name => {
        const kind = name === 'guard' ? 'guard' : 'log'
        step(`${kind} open`)
        const file = disk.open(name)
        const stepped: DurableFile = {
          created: file.created,
          get size() {
            return file.size
          },
          read: length => file.read(length),
          write: (offset, bytes) => {
            step(`${kind} write`)
            file.write(offset, bytes)
          },
          truncate: size => {
            step(`${kind} truncate`)
            file.truncate(size)
          },
          sync: async () => {
            step(`${kind} sync before`)
            await file.sync()
            step(`${kind} sync after`)
          },
          syncNow: () => {
            step(`${kind} creation before`)
            file.syncNow()
            step(`${kind} creation after`)
          },
          close: () => file.close(),
        }
        return stepped
      },
    }
  }

  #network(life: Life): Partial<Network> {
    const say = (bytes: Uint8Array): void => {
      if (life.alive) this.#world.said(this, bytes)
    }
    return {
      openChannel: (_protocol, onFrame) => {
        this.#onFrame = (frame, from) => void onFrame(frame, from)
        const send = (_peer: Uint8Array, bytes: Uint8Array): boolean => {
          say(bytes)
          return true
        }
        return { broadcast: say, send, open: () => [] }
      },
      onPeer: () => () => undefined,
      report: (_peer, offence) => {
        if (life.alive) this.#world.failed(this, new Error(`a validator was reported: ${offence}`))
      },
    }
  }

  /** What the others say of themselves. A node that is down has said what it said last. */
  #peerStatus(): Partial<PeerStatusService> {
    return {
      onStatus: () => () => undefined,
      ask: async () => {
        throw new EpioneError('unreachable', 'nobody is asked here')
      },
      get: networkKey => {
        const peer = this.#world.peers(this).find(({ keys }) => Buffer.compare(keys.network.publicKey, networkKey) === 0)
        if (peer === undefined) return undefined
        const tip = peer.chain?.tip
        return {
          networkKey,
          height: tip?.header.height ?? 0,
          tip: tip?.hash ?? new Uint8Array(32),
          base: 1,
          silentThrough: -1,
          ageMs: 0,
          rttMs: 1,
          clock: null,
        }
      },
    }
  }

  #transactions(life: Life): Partial<TransactionService> {
    return {
      pool: this.pool,
      gather: async (digests, { signal }) => {
        const gathered: PooledBatch[] = []
        for (const digest of digests) {
          for (;;) {
            this.#assertAlive(life)
            signal.throwIfAborted()
            const held = [this, ...this.#world.peers(this).filter(({ alive }) => alive)].map(({ pool }) => pool.batch(digest))
            const batch = held.find(found => found !== undefined)
            if (batch !== undefined) {
              gathered.push(batch)
              this.pool.addBatch(batch)
              break
            }
            await this.#wait(FETCH_AGAIN_MS)
          }
        }
        return gathered
      },
      restore: bodies => {
        for (const bytes of bodies) {
          const { author, transactions } = batchCodec.decode(bytes)
          this.pool.addBatch({ digest: batchDigest(bytes), bytes, author, transactions: transactions.map(item => decodeTransaction(item)) })
        }
      },
    }
  }

  #wait(ms: number): Promise<void> {
    if (ms === 0) return Promise.resolve()
    return new Promise(resolve => this.#world.scheduler.after(ms, resolve))
  }

  #assertAlive(life: Life): void {
    if (!life.alive) throw new LifeOver('this life is over')
  }

  #step(life: Life, kind: string): void {
    this.#assertAlive(life)
    const named = `${life.phase} ${kind}`
    const { doom } = life
    if (doom === null || (doom.afterBlock && life.blocks === 0) || (doom.kind !== null && doom.kind !== named)) return
    if (--doom.steps > 0) return
    this.#end(life, named)
    throw new LifeOver('this life is over')
  }

  #end(life: Life, kind: string): void {
    life.alive = false
    this.#life = null
    this.service = null
    this.#onFrame = null
    this.#disk.crash(this.#world.random)
    this.#store.crash(this.#world.random)
    this.#world.died(this, kind, life.blocks)
  }

  /** The power goes at no step in particular. */
  cut(): void {
    if (this.#life !== null) this.#end(this.#life, 'between steps')
  }

  #run(life: Life, happen: () => void): void {
    if (!life.alive) return
    try {
      happen()
    } catch (error) {
      if (!(error instanceof LifeOver)) throw error
    }
  }
}
