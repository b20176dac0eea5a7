/** One or two validators whose lives end again and again, their clients, and what must hold of them after each start. */
import * as assert from 'uvu/assert'
import {
  type ConsensusMessage,
  consensusMessageCodec,
  proposalSigningBytes,
  voteMessageSigningBytes,
} from '../../src/consensus/messages.ts'
import { type Genesis, voteBodyCodec } from '../../src/contracts/members-formats.ts'
import { toHex, utf8 } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { voteSigningBytes } from '../../src/ledger/certificate.ts'
import { receiptCodec } from '../../src/ledger/receipt.ts'
import { createTransaction, type Transaction } from '../../src/ledger/transaction.ts'
import type { CommittedBlock } from '../../src/node/chain.ts'
import type { SeededRandom } from '../../testnet/population/random.ts'
import { Scheduler, START_MS } from '../../testnet/simulator/scheduler.ts'
import { genesisOf, nodeKeys, organisationOf } from '../node/cluster.ts'
import { createFolder } from '../node/ledger-fixture.ts'
import { type Doom, LifeOver, type Surroundings, Validator } from './validator.ts'

/** Longest virtual time in which a validator that is to die must have come to its step, and one that lives to a block. */
const PATIENCE_MS = 120_000
const CLIENT_MS = { least: 10, most: 250 }
/** A client that has heard nothing for so long hands its transaction in again. */
const AGAIN_MS = 1_500

interface Sent {
  readonly transaction: Transaction
  atMs: number
}

export interface CrashWorldOptions {
  validators: 1 | 2
  cycles: number
}

export class CrashWorld implements Surroundings {
  readonly scheduler = new Scheduler()
  readonly random: SeededRandom
  readonly genesis: Genesis
  /** Lives that ended, by the kind of step at which they did. */
  readonly deaths = new Map<string, number>()
  /** Starts that were checked, and lives that stored a block before they ended. */
  starts = 0
  wentOn = 0
  readonly #options: CrashWorldOptions
  readonly #validators: Validator[]
  /** Bytes that were signed and have left a validator, by validator, height, round and kind. */
  readonly #said = new Map<string, string>()
  readonly #waiting = new Map<string, Sent>()
  readonly #acknowledged = new Set<string>()
  readonly #blocks = new Map<number, string>()
  #failure: unknown
  #series = 0
  /** Whether clients hand in what is new. */
  #isOpen = true

  constructor(random: SeededRandom, options: CrashWorldOptions) {
    this.random = random
    this.#options = options
    const organisations = [0, 1, 2, 3].map(index => {
      const organisation = organisationOf(index)
      return index < options.validators ? organisation : { ...organisation, consensusKey: null, power: 0 }
    })
    this.genesis = genesisOf({ time: START_MS - 1_000, organisations })
    this.#validators = Array.from({ length: options.validators }, (_, index) => new Validator(index, nodeKeys(index), this))
  }

  /** Transactions whose receipt a client has seen. */
  get acknowledged(): number {
    return this.#acknowledged.size
  }

  get height(): number {
    return this.#blocks.size
  }

  /** All cycles, then what the chain has in the end. */
  async run(dooms: (random: SeededRandom) => Doom | null): Promise<void> {
    for (const validator of this.#validators.slice(1)) await this.#start(validator, null)
    this.#client()
    let victim = this.#validators[0] as Validator
    for (let cycle = 0; cycle < this.#options.cycles; cycle++) {
      const doom = dooms(this.random)
      await this.#start(victim, doom)
      await this.#untilDead(victim, doom)
      await this.#pass(this.random.chance(0.3) ? this.random.int(0, 2_000) : 0)
      // The one that is down comes up again; where there is another, it may be that one's turn to go.
      const next = this.random.pick(this.#validators)
      if (next === victim) continue
      await this.#start(victim, null)
      next.cut()
      cycle++
      victim = next
    }
    await this.#start(victim, null)
    await this.#finish()
  }

  async #untilDead(victim: Validator, doom: Doom | null): Promise<void> {
    if (doom === null) {
      await this.#pass(this.random.int(0, 1_500))
      victim.cut()
      return
    }
    const until = this.scheduler.nowMs + PATIENCE_MS
    await this.#while(() => victim.alive && this.scheduler.nowMs < until)
    assert.not(victim.alive, `validator ${victim.index} comes to "${doom.kind ?? 'any step'}" ${doom.steps} times within two minutes`)
  }

  /** Opens a validator; where that is its end, without a doom again. */
  async #start(validator: Validator, doom: Doom | null): Promise<void> {
    const { acknowledged } = validator
    const before = validator.chain?.tip.header.height ?? 0
    const opened = this.#opened(validator, doom)
    await this.#while(() => !opened.done)
    const completed = await opened.result
    if (this.#failure !== undefined) throw this.#failure
    if (!completed || validator.service === null) return
    this.starts++
    // Not its present tip: a validator that is alone may decide its next block in the very moment of its start.
    const tip = validator.opened as NonNullable<typeof validator.opened>
    const { height } = tip.header
    assert.ok(height === before || height === before + 1, `it was at ${before} and starts at ${height}`)
    assert.ok(height >= acknowledged, `height ${acknowledged} was acknowledged, and it starts at ${height}`)
    const known = this.#blocks.get(height)
    if (known === undefined) this.#blocks.set(height, toHex(tip.hash))
    else assert.is(toHex(tip.hash), known, `the block at ${height} is the one that was stored`)
    const status = validator.service.status()
    assert.is(status?.notVotingBecause, null, `it votes at ${height + 1}`)
    assert.ok((status?.height ?? 0) > height, `it goes on after ${height}`)
  }

  #opened(validator: Validator, doom: Doom | null): { done: boolean; result: Promise<boolean> } {
    const opened = { done: false, result: validator.start(doom) }
    const done = (): void => {
      opened.done = true
    }
    opened.result.then(done, done)
    return opened
  }

  /** All live on until every client has its receipt; then the chains are looked through. */
  async #finish(): Promise<void> {
    const isSettled = (): boolean =>
      this.#waiting.size === 0 && new Set(this.#validators.map(({ acknowledged }) => acknowledged)).size === 1
    this.#isOpen = false
    const until = this.scheduler.nowMs + PATIENCE_MS
    await this.#while(() => !isSettled() && this.scheduler.nowMs < until)
    assert.ok(isSettled(), `${this.#waiting.size} transactions got no receipt in the end`)
    for (const { chain } of this.#validators) {
      assert.ok(chain)
      const done = new Map<string, number>()
      for (let height = 1; height <= chain.tip.header.height; height++) {
        for (const bytes of await chain.store.receipts(height)) {
          const { transaction, code } = receiptCodec.decode(bytes)
          if (code === 'ok') done.set(toHex(transaction), (done.get(toHex(transaction)) ?? 0) + 1)
          else assert.is(code, 'seen')
        }
      }
      for (const id of this.#acknowledged) assert.is(done.get(id), 1, 'an acknowledged transaction is in the chain once')
      assert.is(
        [...done.values()].every(times => times === 1),
        true,
        'nothing was done twice',
      )
    }
  }

  peers(of: Validator): Validator[] {
    return this.#validators.filter(validator => validator !== of)
  }

  said(from: Validator, bytes: Uint8Array): void {
    this.#note(consensusMessageCodec.decode(bytes))
    for (const peer of this.peers(from)) {
      this.scheduler.after(this.random.int(1, 8), () => peer.receive(bytes, from.keys.network.publicKey))
    }
  }

  stored(_at: Validator, { header, certificate, candidate }: CommittedBlock): void {
    const hash = toHex(certificate.block)
    const known = this.#blocks.get(header.height) ?? hash
    this.#blocks.set(header.height, known)
    if (known !== hash) this.#failure ??= new Error(`two blocks at height ${header.height}`)
    // What is on the chain has left, too.
    for (const { validator } of certificate.signatures) {
      const { height, round, block } = certificate
      const message = voteSigningBytes({ chainId: header.chainId, kind: 'precommit', height, round, block })
      this.#leave(validator, height, round, 'precommit', message)
    }
    for (const [index, { id }] of candidate.transactions.entries()) {
      if (candidate.receipts[index]?.code !== 'ok') continue
      this.#acknowledge(id)
    }
  }

  died(_validator: Validator, kind: string, blocks: number): void {
    this.deaths.set(kind, (this.deaths.get(kind) ?? 0) + 1)
    if (blocks > 0) this.wentOn++
  }

  failed(validator: Validator, error: unknown): void {
    this.#failure ??= new Error(
      `validator ${validator.index}: ${errorCode(error)}: ${error instanceof Error ? error.message : String(error)}`,
    )
  }

  #note(message: ConsensusMessage): void {
    const { chainId } = (this.#validators.find(({ chain }) => chain !== null) as Validator).chain as NonNullable<Validator['chain']>
    if (message.type === 'proposal') {
      const { validator, height, round } = message.value
      this.#leave(validator, height, round, 'proposal', proposalSigningBytes(chainId, message.value))
    }
    const votes = message.type === 'vote' ? [message.value] : message.type === 'votes' ? message.value : []
    for (const vote of votes) this.#leave(vote.validator, vote.height, vote.round, vote.kind, voteMessageSigningBytes(chainId, vote))
  }

  #leave(validator: Uint8Array, height: number, round: number, kind: string, message: Uint8Array): void {
    const place = `${toHex(validator).slice(0, 8)} ${kind} ${height}/${round}`
    const said = toHex(sha256(message))
    if ((this.#said.get(place) ?? said) !== said) this.#failure ??= new Error(`two signatures left: ${place}`)
    this.#said.set(place, said)
  }

  /** Clients hand in what is new, and again what they have no receipt for. */
  #client(): void {
    this.scheduler.after(this.random.int(CLIENT_MS.least, CLIENT_MS.most), () => {
      const validator = this.random.pick(this.#validators)
      const overdue = [...this.#waiting.values()].find(({ atMs }) => this.scheduler.nowMs - atMs > AGAIN_MS)
      if (validator.chain !== null && (overdue !== undefined || this.#isOpen)) {
        const sent = overdue ?? { transaction: this.#transaction(validator.chain), atMs: 0 }
        sent.atMs = this.scheduler.nowMs
        this.#waiting.set(toHex(sent.transaction.id), sent)
        // Who asks first finds what was stored although nobody was told; who does not is a replay.
        if (overdue !== undefined) this.#ask(validator, sent.transaction)
        if (overdue === undefined || this.random.chance(0.5)) validator.submit(sent.transaction)
      }
      this.#client()
    })
  }

  #ask(validator: Validator, { id }: Transaction): void {
    const found = async (): Promise<void> => {
      const place = await validator.chain?.store.receipt(id)
      if (place !== undefined && receiptCodec.decode(place.receipt).code === 'ok') this.#acknowledge(id)
    }
    validator.meet(() =>
      found().catch((error: unknown) => {
        if (!(error instanceof LifeOver)) this.failed(validator, error)
      }),
    )
  }

  #acknowledge(id: Uint8Array): void {
    this.#acknowledged.add(toHex(id))
    this.#waiting.delete(toHex(id))
  }

  /** A new folder; now and then a vote on a validator's weight, which changes the set. */
  #transaction(chain: NonNullable<Validator['chain']>): Transaction {
    const series = ++this.#series
    const validUntil = this.scheduler.nowMs + 3_000_000
    if (series % 8 >= this.#options.validators) return createFolder(chain, `${series}`, { validUntil })
    const organisation = { ...organisationOf(0), power: 1 + (Math.floor(series / 8) % 2) }
    const body = {
      series: Math.floor(series / 8),
      proposal: { type: 'amend' as const, value: { account: nodeKeys(0).account, organisation } },
    }
    const keys = nodeKeys(series % 8)
    return createTransaction(
      {
        chainId: chain.chainId,
        from: { kind: 'account', id: keys.account },
        validUntil,
        nonce: sha256(utf8(`vote ${series}`)).slice(0, 16),
        contract: 'members',
        action: 'vote',
        body: voteBodyCodec.encode(body),
        sponsor: null,
      },
      keys.signing,
    )
  }

  async #pass(ms: number): Promise<void> {
    let over = false
    this.scheduler.after(ms, () => {
      over = true
    })
    await this.#while(() => !over)
  }

  /** Lets time pass as long as `goes` is true, and all that follows from each event happen before the next. */
  async #while(goes: () => boolean): Promise<void> {
    await drained()
    while (goes()) {
      if (this.#failure !== undefined) throw this.#failure
      assert.ok(this.scheduler.advance(), 'something is always to come')
      await drained()
    }
    if (this.#failure !== undefined) throw this.#failure
  }
}

function drained(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
