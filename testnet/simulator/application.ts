/**
 * The ledger of a simulated node: blocks of batch digests, executed by hashing, with validator sets that change two blocks after a change
 * was decided. Blocks outlive a crash once they are on disk; batches travel apart from proposals, and may be withheld.
 */
import type { Application, Tip, Verifier } from '../../src/consensus/application.ts'
import type { Decision } from '../../src/consensus/messages.ts'
import { proposerAt } from '../../src/consensus/proposer.ts'
import type { Validators } from '../../src/contracts/members-formats.ts'
import { decideValidators, rollValidators } from '../../src/contracts/validators.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { taggedHash } from '../../src/encoding/hash.ts'
import { type Certificate, verifyCertificate } from '../../src/ledger/certificate.ts'
import { BLOCK_VERSION, type Header, headerHash, type Validator, validatorSetHash } from '../../src/ledger/header.ts'
import { START_MS } from './scheduler.ts'

export interface SimulatedBlock {
  readonly header: Header
  readonly hash: Uint8Array
  readonly batches: readonly Uint8Array[]
  readonly certificate: Certificate | null
  /** Sets at this block: `next` signs the block above. */
  readonly validators: Validators
}

/** What batches mean, the same for all nodes. */
export interface Rules {
  readonly chainId: Uint8Array
  /** A batch that makes a block invalid. */
  isBad(batch: Uint8Array): boolean
  /** A validator's new weight (0: it leaves) that a batch decides, unless it decides nothing or would not be allowed. */
  changeOf(batch: Uint8Array, decided: Validators['decided']): Validator | undefined
}

/** Most batches of one block. */
const MAX_BATCHES = 16
const ZERO_HASH = new Uint8Array(32)
const setHashes = new WeakMap<object, Uint8Array>()

function hashOf(set: Validators['current']): Uint8Array {
  let hash = setHashes.get(set)
  if (hash === undefined) {
    hash = validatorSetHash(set)
    setHashes.set(set, hash)
  }
  return hash
}

export function genesisBlock(chainId: Uint8Array, validators: readonly Validator[]): SimulatedBlock {
  const set = { validators: [...validators], since: 1 }
  const header: Header = {
    chainId,
    version: BLOCK_VERSION,
    height: 0,
    time: START_MS - 1_000,
    parent: ZERO_HASH,
    proposer: ZERO_HASH,
    transactionsRoot: ZERO_HASH,
    stateRoot: ZERO_HASH,
    receiptsRoot: ZERO_HASH,
    validatorsHash: hashOf(set),
    nextValidatorsHash: hashOf(set),
  }
  return { header, hash: headerHash(header), batches: [], certificate: null, validators: { current: set, next: set, decided: set } }
}

/** Executes batches on a parent: the header that every honest node gets. */
export function execute(
  rules: Rules,
  parent: SimulatedBlock,
  input: { proposer: Uint8Array; timeMs: number; batches: readonly Uint8Array[] },
): { header: Header; validators: Validators } {
  const height = parent.header.height + 1
  let validators = rollValidators(parent.validators)
  for (const batch of input.batches) {
    const change = rules.changeOf(batch, validators.decided)
    if (change === undefined) continue
    const before = validators.decided.validators.find(({ publicKey }) => equalBytes(publicKey, change.publicKey))
    validators = { ...validators, decided: decideValidators(validators.decided, height, before, change.power === 0 ? undefined : change) }
  }
  const transactionsRoot = taggedHash('simulated-batches', ...input.batches)
  const header: Header = {
    chainId: rules.chainId,
    version: BLOCK_VERSION,
    height,
    time: input.timeMs,
    parent: parent.hash,
    proposer: input.proposer,
    transactionsRoot,
    stateRoot: taggedHash('simulated-state', parent.header.stateRoot, transactionsRoot),
    receiptsRoot: ZERO_HASH,
    validatorsHash: hashOf(validators.current),
    nextValidatorsHash: hashOf(validators.next),
  }
  return { header, validators }
}

/** The blocks of one node on disk; they outlive its lives. */
export class BlockStore {
  readonly blocks: SimulatedBlock[]
  #underWay: SimulatedBlock | null = null

  constructor(genesis: SimulatedBlock) {
    this.blocks = [genesis]
  }

  get tip(): SimulatedBlock {
    return this.blocks.at(-1) as SimulatedBlock
  }

  /** Stores a block in one atomic batch: it is there when `wait` has settled, and perhaps, after a crash, before. */
  async append(block: SimulatedBlock, wait: () => Promise<void>): Promise<void> {
    this.#underWay = block
    await wait()
    this.#underWay = null
    this.blocks.push(block)
  }

  /** The power goes: what was under way is there or is not. */
  crash(survives: boolean): SimulatedBlock | null {
    const block = this.#underWay
    this.#underWay = null
    if (block === null || !survives) return null
    this.blocks.push(block)
    return block
  }
}

export interface LedgerDependencies {
  rules: Rules
  store: BlockStore
  verifier: Verifier
  /** A batch is to be got from somebody. */
  fetch: (batch: Uint8Array) => void
  /** Waits for the disk. */
  wait: () => Promise<void>
  nowMs: () => number
  heartbeatMs: number
  onCommitted: (block: SimulatedBlock, bySync: boolean) => void
  onBehind: (from: Uint8Array) => void
}

export class Ledger implements Application {
  readonly #deps: LedgerDependencies
  /** Batches that this node holds, in a block or not. */
  readonly #held = new Map<string, Uint8Array>()
  /** Held batches that are in no block. */
  readonly #waiting = new Map<string, Uint8Array>()
  readonly #arrivals = new Map<string, (() => void)[]>()
  #lock: Promise<unknown> = Promise.resolve()

  constructor(dependencies: LedgerDependencies) {
    this.#deps = dependencies
    for (const block of dependencies.store.blocks) this.#included(block)
  }

  tip(): Tip {
    const { header, hash, validators } = this.#deps.store.tip
    return { header, hash, validators: validators.next }
  }

  hasWork(): boolean {
    const { current, next, decided } = this.#deps.store.tip.validators
    return this.#waiting.size > 0 || current.since !== next.since || next.since !== decided.since
  }

  heartbeatDueMs(): number {
    return this.#deps.store.tip.header.time + this.#deps.heartbeatMs
  }

  /** This node comes to hold a batch; whether it is new here. */
  hold(batch: Uint8Array): boolean {
    const name = toHex(batch)
    if (this.#held.has(name)) return false
    this.#held.set(name, batch)
    // What is wrong with a batch is seen when it is executed; who checks its pool proposes nothing of the kind.
    if (!this.#deps.rules.isBad(batch)) this.#waiting.set(name, batch)
    for (const arrived of this.#arrivals.get(name) ?? []) arrived()
    this.#arrivals.delete(name)
    return true
  }

  holds(batch: Uint8Array): boolean {
    return this.#held.has(toHex(batch))
  }

  createValue(_height: number, _round: number, proposer: Uint8Array, timeMs: number): Promise<{ header: Header; batches: Uint8Array[] }> {
    const batches = [...this.#waiting.values()].slice(0, MAX_BATCHES)
    const { header } = execute(this.#deps.rules, this.#deps.store.tip, { proposer, timeMs, batches })
    return Promise.resolve({ header, batches })
  }

  async validateValue(header: Header, batches: Uint8Array[], signal: AbortSignal): Promise<boolean> {
    await this.#gather(batches, signal)
    const parent = this.#deps.store.tip
    if (parent.header.height + 1 !== header.height) throw new EpioneError('gap', 'The tip has moved.')
    return this.#isValid(parent, header, batches) !== undefined
  }

  /** A digest stands for its body here. */
  bodies(batches: readonly Uint8Array[]): Uint8Array[] {
    return batches.filter(batch => this.holds(batch))
  }

  restore(bodies: readonly Uint8Array[]): void {
    for (const body of bodies) this.hold(body)
  }

  async commit(header: Header, batches: Uint8Array[], certificate: Certificate): Promise<Tip> {
    await this.#exclusive(async () => {
      const parent = this.#deps.store.tip
      if (parent.header.height >= header.height) return
      // Not waited for: synchronisation brings the block with its bodies, and the engine tries again.
      if (!batches.every(batch => this.holds(batch))) {
        for (const batch of batches) if (!this.holds(batch)) this.#deps.fetch(batch)
        throw new EpioneError('batch-missing', 'A batch of the decided block is not here yet.')
      }
      await this.#store(parent, header, batches, certificate, false)
    })
    return this.tip()
  }

  /** Takes a block that another node has stored, bodies included. @throws EpioneError where it does not verify */
  async accept({ header, batches, certificate }: Pick<SimulatedBlock, 'header' | 'batches' | 'certificate'>): Promise<void> {
    await this.#exclusive(async () => {
      const parent = this.#deps.store.tip
      if (header.height <= parent.header.height) return
      if (header.height !== parent.header.height + 1 || certificate === null) throw new EpioneError('gap', 'The block does not follow.')
      verifyCertificate(header, certificate, parent.validators.next, this.#deps.verifier)
      await this.#store(parent, header, batches, certificate, true)
    })
  }

  async #store(
    parent: SimulatedBlock,
    header: Header,
    batches: readonly Uint8Array[],
    certificate: Certificate,
    bySync: boolean,
  ): Promise<void> {
    const validators = this.#isValid(parent, header, batches)
    if (validators === undefined) throw new EpioneError('execution-differs', 'A final block is not what executing it gives.')
    const block = { header, hash: headerHash(header), batches, certificate, validators }
    await this.#deps.store.append(block, this.#deps.wait)
    this.#included(block)
    this.#deps.onCommitted(block, bySync)
  }

  behind(_height: number, from: Uint8Array): void {
    this.#deps.onBehind(from)
  }

  decided(height: number): Promise<Decision | undefined> {
    const block = this.#deps.store.blocks[height]
    return Promise.resolve(block?.certificate == null ? undefined : { header: block.header, certificate: block.certificate })
  }

  /** Whether this node tells the others of a block: the proposer of the round in which it was decided does. */
  announces(block: SimulatedBlock, key: Uint8Array): boolean {
    if (block.certificate === null) return false
    return equalBytes(proposerAt(block.validators.current, block.header.height, block.certificate.round).publicKey, key)
  }

  #isValid(parent: SimulatedBlock, header: Header, batches: readonly Uint8Array[]): Validators | undefined {
    if (batches.some(batch => this.#deps.rules.isBad(batch))) return undefined
    const executed = execute(this.#deps.rules, parent, { proposer: header.proposer, timeMs: header.time, batches })
    return equalBytes(headerHash(executed.header), headerHash(header)) ? executed.validators : undefined
  }

  async #gather(batches: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
    for (const batch of batches) {
      if (this.holds(batch)) continue
      this.#deps.fetch(batch)
      await new Promise<void>((resolve, reject) => {
        const name = toHex(batch)
        const arrivals = this.#arrivals.get(name) ?? []
        this.#arrivals.set(name, arrivals)
        arrivals.push(resolve)
        signal.addEventListener('abort', () => reject(new EpioneError('batch-missing', 'Nobody handed the batch over in time.')), {
          once: true,
        })
      })
    }
  }

  #included({ batches }: SimulatedBlock): void {
    for (const batch of batches) {
      this.#held.set(toHex(batch), batch)
      this.#waiting.delete(toHex(batch))
    }
  }

  async #exclusive(run: () => Promise<void>): Promise<void> {
    const result = this.#lock.then(run)
    this.#lock = result.catch(() => undefined)
    await result
  }
}
