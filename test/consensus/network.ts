/** A virtual clock, a seeded network and a tiny application: several engines in one process, with nothing real but their disks. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Application, Clock, ConsensusTransport, Engine, Misbehaviour, Tip } from '../../src/consensus/application.ts'
import type { Disk } from '../../src/consensus/disk.ts'
import { createEngine } from '../../src/consensus/engine.ts'
import { type ConsensusMessage, consensusMessageCodec, type Decision } from '../../src/consensus/messages.ts'
import { nodeDisk } from '../../src/consensus/node-disk.ts'
import { type SigningKey, signingKeyFromSeed } from '../../src/crypto/signature.ts'
import { concat, equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { sha256, taggedHash } from '../../src/encoding/hash.ts'
import { type Certificate, verifyCertificate } from '../../src/ledger/certificate.ts'
import { type Header, headerHash, type ValidatorSet, validatorSetHash } from '../../src/ledger/header.ts'

export const chainId = sha256(Uint8Array.of(1, 2, 3))
export const zero32 = new Uint8Array(32)
export const TIMEOUTS = { proposeMs: 1000, voteMs: 500, growthMs: 250 }
const GENESIS_MS = 1_700_000_000_000

/** Random numbers of a seed (mulberry32): 0 <= x < 1. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** `n` keys, ascending by public key as in validator sets. */
export function testKeys(n: number): SigningKey[] {
  const keys = Array.from({ length: n }, (_, i) => signingKeyFromSeed(sha256(Uint8Array.of(i, i >> 8, 77))))
  return keys.sort((a, b) => (toHex(a.publicKey) < toHex(b.publicKey) ? -1 : 1))
}

export function validatorSet(keys: readonly SigningKey[], powers: readonly number[] = []): ValidatorSet {
  return { validators: keys.map(({ publicKey }, i) => ({ publicKey, power: powers[i] ?? 1 })), since: 1 }
}

export function genesis(validators: ValidatorSet): Tip {
  const hash = validatorSetHash(validators)
  const header: Header = {
    chainId,
    version: 1,
    height: 0,
    time: GENESIS_MS,
    parent: zero32,
    proposer: zero32,
    transactionsRoot: zero32,
    stateRoot: zero32,
    receiptsRoot: zero32,
    validatorsHash: hash,
    nextValidatorsHash: hash,
  }
  return { header, hash: headerHash(header), validators }
}

/** A block's header on a tip, as the tiny application executes it. */
export function headerOn(tip: Tip, proposer: Uint8Array, timeMs: number, batches: readonly Uint8Array[]): Header {
  const transactionsRoot = taggedHash('test-transactions', ...batches)
  return {
    chainId,
    version: 1,
    height: tip.header.height + 1,
    time: timeMs,
    parent: tip.hash,
    proposer,
    transactionsRoot,
    stateRoot: taggedHash('test-state', concat(tip.header.stateRoot, transactionsRoot)),
    receiptsRoot: zero32,
    validatorsHash: validatorSetHash(tip.validators),
    nextValidatorsHash: validatorSetHash(tip.validators),
  }
}

export class VirtualClock implements Clock {
  #now = GENESIS_MS + 1
  #timers: { at: number; order: number; fn: () => void }[] = []
  #order = 0

  now(): number {
    return this.#now
  }

  setTimer(ms: number, fn: () => void): () => void {
    const timer = { at: this.#now + ms, order: this.#order++, fn }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter(other => other !== timer)
    }
  }

  get waiting(): number {
    return this.#timers.length
  }

  /** Moves to the next time at which something is due, no further than `until`, and lets all of it happen; false where nothing is. */
  advance(until = Number.POSITIVE_INFINITY): boolean {
    const at = Math.min(...this.#timers.map(timer => timer.at))
    if (at > until || at === Number.POSITIVE_INFINITY) {
      if (Number.isFinite(until)) this.#now = Math.max(this.#now, until)
      return false
    }
    this.#now = Math.max(this.#now, at)
    const due = this.#timers.filter(timer => timer.at <= at).sort((a, b) => a.at - b.at || a.order - b.order)
    this.#timers = this.#timers.filter(timer => timer.at > at)
    for (const { fn } of due) fn()
    return true
  }
}

interface StoredBlock {
  header: Header
  batches: Uint8Array[]
  certificate: Certificate
}

/** Blocks of batch digests; every node has every batch that was announced to it. */
export class TestApplication implements Application {
  readonly blocks: StoredBlock[] = []
  readonly work = new Map<string, Uint8Array>()
  readonly validated: number[] = []
  heartbeatMs = Number.POSITIVE_INFINITY
  behindCalls = 0
  /** Set by a test to hold or fail validation. */
  onValidate: ((header: Header, signal: AbortSignal) => Promise<boolean>) | undefined
  onBehind: ((height: number) => void) | undefined
  #tip: Tip

  constructor(tip: Tip) {
    this.#tip = tip
  }

  tip(): Tip {
    return this.#tip
  }

  hasWork(): boolean {
    return this.work.size > 0
  }

  heartbeatDueMs(): number {
    return this.#tip.header.time + this.heartbeatMs
  }

  createValue(_height: number, _round: number, proposer: Uint8Array, timeMs: number): Promise<{ header: Header; batches: Uint8Array[] }> {
    const batches = [...this.work.values()].slice(0, 16)
    return Promise.resolve({ header: headerOn(this.#tip, proposer, timeMs, batches), batches })
  }

  validateValue(header: Header, batches: Uint8Array[], signal: AbortSignal): Promise<boolean> {
    this.validated.push(header.height)
    if (this.onValidate !== undefined) return this.onValidate(header, signal)
    return Promise.resolve(this.#executes(header, batches))
  }

  commit(header: Header, batches: Uint8Array[], certificate: Certificate): Promise<Tip> {
    if (this.#tip.header.height >= header.height) return Promise.resolve(this.#tip)
    if (!this.#executes(header, batches)) return Promise.reject(new Error('committed a block that does not execute'))
    verifyCertificate(header, certificate, this.#tip.validators)
    this.blocks.push({ header, batches, certificate })
    for (const batch of batches) this.work.delete(toHex(batch))
    this.#tip = { header, hash: headerHash(header), validators: this.#tip.validators }
    return Promise.resolve(this.#tip)
  }

  behind(height: number): void {
    this.behindCalls++
    this.onBehind?.(height)
  }

  decided(height: number): Promise<Decision | undefined> {
    const block = this.blocks[height - 1]
    return Promise.resolve(block && { header: block.header, certificate: block.certificate })
  }

  #executes(header: Header, batches: readonly Uint8Array[]): boolean {
    const expected = headerOn(this.#tip, header.proposer, header.time, batches)
    return equalBytes(headerHash(expected), headerHash(header))
  }
}

export interface Sent {
  from: number
  to: number
  message: ConsensusMessage
}

export interface NetworkOptions {
  nodes?: number
  seed: number
  powers?: readonly number[]
  heartbeatMs?: number
  /** Whether a message is lost. */
  lose?: (sent: Sent, random: () => number) => boolean
  /** One-way delay in whole ms. */
  delayMs?: (random: () => number) => number
}

export class TestNetwork {
  readonly clock = new VirtualClock()
  readonly keys: SigningKey[]
  readonly set: ValidatorSet
  applications: TestApplication[]
  readonly engines: (Engine | undefined)[]
  readonly dirs: string[]
  readonly log: Sent[] = []
  readonly misbehaviour: (Misbehaviour & { at: number })[] = []
  readonly events: { node: number; event: string; fields: unknown }[] = []
  readonly failures: unknown[] = []
  readonly random: () => number
  voteDespiteLostLog: number | undefined
  /** Set by a test that watches or breaks a node's disk. */
  wrapDisk: ((disk: Disk, node: number) => Disk) | undefined
  lose: (sent: Sent, random: () => number) => boolean
  readonly #delayMs: (random: () => number) => number
  readonly #root = mkdtempSync(join(tmpdir(), 'epione-consensus-'))

  constructor(options: NetworkOptions) {
    const n = options.nodes ?? 4
    this.random = seeded(options.seed)
    this.lose = options.lose ?? (() => false)
    this.#delayMs = options.delayMs ?? (() => 5)
    this.keys = testKeys(n)
    this.set = validatorSet(this.keys, options.powers)
    this.applications = this.keys.map(() => new TestApplication(genesis(this.set)))
    for (const application of this.applications) application.heartbeatMs = options.heartbeatMs ?? Number.POSITIVE_INFINITY
    this.engines = this.keys.map(() => undefined)
    this.dirs = this.keys.map((_, i) => join(this.#root, `node${i}`))
  }

  async start(...nodes: number[]): Promise<void> {
    for (const i of nodes.length > 0 ? nodes : this.keys.keys()) {
      const application = this.applications[i]!
      application.onBehind = () => this.#synchronise(i)
      const engine = createEngine(
        { chainId, key: this.keys[i]!, timeouts: TIMEOUTS, voteDespiteLostLog: this.voteDespiteLostLog },
        {
          application,
          transport: this.#transport(i),
          clock: this.clock,
          disk: this.wrapDisk?.(nodeDisk(this.dirs[i]!), i) ?? nodeDisk(this.dirs[i]!),
          logger: { log: (_level, event, fields) => this.events.push({ node: i, event, fields }) },
          onMisbehaviour: event => this.misbehaviour.push({ ...event, at: i }),
          onFailure: error => this.failures.push(error),
        },
      )
      this.engines[i] = engine
      await engine.start()
    }
  }

  async stop(...nodes: number[]): Promise<void> {
    for (const i of nodes.length > 0 ? nodes : this.keys.keys()) {
      await this.engines[i]?.stop()
      this.engines[i] = undefined
    }
  }

  async close(): Promise<void> {
    await this.stop()
    rmSync(this.#root, { recursive: true, force: true })
  }

  /** Makes a batch known to nodes, all of them where none is named. */
  addWork(name: number, ...nodes: number[]): Uint8Array {
    const batch = sha256(Uint8Array.of(name & 255, name >> 8, 9))
    for (const i of nodes.length > 0 ? nodes : this.keys.keys()) {
      this.applications[i]!.work.set(toHex(batch), batch)
      this.engines[i]?.wake()
    }
    return batch
  }

  /** Lets time pass until `done`, at most `limitMs`; whether it came true. */
  async until(done: () => boolean, limitMs = 600_000): Promise<boolean> {
    const limit = this.clock.now() + limitMs
    for (;;) {
      await this.settle()
      if (done()) return true
      if (!this.clock.advance(limit)) {
        await this.settle()
        return done()
      }
    }
  }

  async settle(): Promise<void> {
    for (const engine of this.engines) await engine?.settled()
    // Answers from the application's store are promises of its own.
    await new Promise(resolve => setImmediate(resolve))
  }

  heights(): number[] {
    return this.applications.map(application => application.tip().header.height)
  }

  /** Places where one validator signed two different things, as the wire saw them. */
  conflicts(): string[] {
    const seen = new Map<string, string>()
    const found: string[] = []
    const note = (place: string, said: string): void => {
      if ((seen.get(place) ?? said) !== said) found.push(place)
      seen.set(place, said)
    }
    for (const { message } of this.log) {
      const votes = message.type === 'vote' ? [message.value] : message.type === 'votes' ? message.value : []
      for (const { kind, height, round, validator, block } of votes) {
        note(`${kind} ${height}/${round} ${toHex(validator)}`, block === null ? 'nil' : toHex(block))
      }
      if (message.type === 'proposal') {
        const { height, round, validRound, validator, header } = message.value
        note(`proposal ${height}/${round} ${toHex(validator)}`, `${validRound} ${toHex(headerHash(header))}`)
      }
    }
    return found
  }

  /** Whether no two nodes have different blocks at one height. */
  agree(): boolean {
    const longest = Math.max(...this.heights())
    for (let height = 0; height < longest; height++) {
      const hashes = this.applications.flatMap(({ blocks }) =>
        blocks.slice(height, height + 1).map(({ header }) => toHex(headerHash(header))),
      )
      if (new Set(hashes).size > 1) return false
    }
    return true
  }

  #transport(from: number): ConsensusTransport {
    const deliver = (to: number, bytes: Uint8Array): void => {
      const sent = { from, to, message: consensusMessageCodec.decode(bytes) }
      this.log.push(sent)
      if (this.lose(sent, this.random)) return
      this.clock.setTimer(Math.max(1, Math.round(this.#delayMs(this.random))), () => {
        this.engines[to]?.receive(bytes, this.keys[from]!.publicKey)
      })
    }
    return {
      broadcast: bytes => {
        for (const to of this.keys.keys()) if (to !== from) deliver(to, bytes)
      },
      send: (validator, bytes) => {
        const to = this.keys.findIndex(({ publicKey }) => equalBytes(publicKey, validator))
        if (to >= 0 && to !== from) deliver(to, bytes)
      },
    }
  }

  /** What a sync service does: copies verified blocks from the highest running node, later. */
  #synchronise(node: number): void {
    this.clock.setTimer(20, () => {
      const application = this.applications[node]!
      const sources = this.applications.filter((_, i) => i !== node && this.engines[i] !== undefined)
      const best = sources.sort((a, b) => b.blocks.length - a.blocks.length)[0]
      for (const { header, batches, certificate } of best?.blocks.slice(application.blocks.length) ?? []) {
        void application.commit(header, batches, certificate)
      }
      void this.engines[node]?.syncedTo(application.tip())
    })
  }
}
