/**
 * The effects layer: one serial loop between the pure driver and the world. It decodes and verifies what arrives, logs each input before
 * the driver sees it, signs under the guard, syncs before anything leaves, and carries out the driver's effects. Results of the
 * application come back as inputs that name height and candidate, so that a late one finds nobody.
 */
import { type SigningKey, verifySignature, verifySignatureAsync } from '../crypto/signature.ts'
import { toHex } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { accused, type Evidence } from '../ledger/evidence.ts'
import type {
  Application,
  Clock,
  ConsensusTransport,
  DropReason,
  Engine,
  EngineStatus,
  Logger,
  LogLevel,
  Misbehaviour,
  Synchrony,
  Timeouts,
  Tip,
  Verifier,
} from './application.ts'
import type { Disk } from './disk.ts'
import { Driver } from './driver.ts'
import type { Effect } from './effects.ts'
import { Inbox } from './inbox.ts'
import { type DriverInput, inputHeight, type Timeout } from './inputs.ts'
import { Intake } from './intake.ts'
import { type Journal, openJournal } from './journal.ts'
import { type ConsensusMessage, consensusMessageCodec } from './messages.ts'
import { PeerHelp } from './peer-help.ts'
import { Outstanding } from './replay.ts'
import { Tasks, Timers } from './tasks.ts'
import { DEFAULT_SYNCHRONY } from './timeliness.ts'
import { Values } from './values.ts'

/** Frames of one sender that are handled before the others have their turn. */
const FRAMES_PER_TURN = 64

const ED25519: Verifier = { verify: verifySignature, verifyAsync: verifySignatureAsync }

export interface EngineOptions {
  chainId: Uint8Array
  /** Consensus key; null for a follower that only verifies decisions. */
  key: SigningKey | null
  timeouts: Timeouts
  /** @default DEFAULT_SYNCHRONY */
  synchrony?: Synchrony
  /** Height from which on the operator accepts to vote although the log of an earlier life is lost. */
  voteDespiteLostLog?: number
  /**
   * Height through which this validator keeps silent because it starts without a past (`hasNoPast`) on a chain that is running: an earlier
   * life of its key may have signed there. Written down with the log, so that it outlasts restarts.
   */
  silentThrough?: number
}

export interface EngineDependencies {
  application: Application
  transport: ConsensusTransport
  clock: Clock
  /** Folder of log and guard; nobody else writes there. A follower leaves it alone. */
  disk: Disk
  /** @default Ed25519 on the thread pool */
  verifier?: Verifier
  /** Reads a frame, or throws: a host that hands the same bytes to many engines may share the work. @default the codec */
  decode?: (bytes: Uint8Array) => ConsensusMessage
  logger?: Logger
  onMisbehaviour?: (event: Misbehaviour) => void
  /** The engine cannot go on, for example because its log cannot be written; it has stopped voting for good. */
  onFailure?: (error: unknown) => void
}

export function createEngine(options: EngineOptions, dependencies: EngineDependencies): Engine {
  return new ConsensusEngine(options, dependencies)
}

type Work =
  | { type: 'input'; input: DriverInput; from?: Uint8Array }
  | { type: 'wake' }
  | { type: 'greet'; validator: Uint8Array }
  | { type: 'commit'; decision: Extract<Effect, { type: 'decide' }>; attempt: number }
  | { type: 'sync'; tip: Tip; settle: () => void }

class ConsensusEngine implements Engine {
  readonly #options: EngineOptions
  readonly #deps: EngineDependencies
  readonly #driver: Driver
  readonly #inbox = new Inbox()
  readonly #help: PeerHelp
  #journal: Journal | null = null
  #work: Work[] = []
  /** Effects that wait for the sync. */
  #outbox: Effect[] = []
  /** Validators to which a stream came up: they are sent what they may have missed, after the sync. */
  #greeted: Uint8Array[] = []
  readonly #timers: Timers
  readonly #tasks = new Tasks(() => this.#settle())
  readonly #intake: Intake
  readonly #values: Values
  #unsynced = false
  #state: 'new' | 'running' | 'stopping' = 'new'
  #turning = false
  #loop: Promise<void> = Promise.resolve()
  #halted: string | null = null
  #sinceMs: number
  #heightSinceMs: number
  #round = -1
  readonly #drops: Record<DropReason, number> = {
    flood: 0,
    known: 0,
    old: 0,
    future: 0,
    malformed: 0,
    'invalid-signature': 0,
    'invalid-certificate': 0,
    'unknown-validator': 0,
    'wrong-proposer': 0,
  }
  #syncs = 0
  #waiters: (() => void)[] = []
  #certificateFrom: Uint8Array | null = null
  #wakeQueued = false

  constructor(options: EngineOptions, dependencies: EngineDependencies) {
    this.#options = options
    this.#deps = dependencies
    this.#driver = new Driver({ self: options.key?.publicKey ?? null, timeouts: options.timeouts }, dependencies.application.tip())
    this.#sinceMs = dependencies.clock.now()
    this.#heightSinceMs = this.#sinceMs
    this.#help = new PeerHelp(dependencies, options.timeouts.voteMs)
    this.#timers = new Timers(dependencies.clock)
    this.#values = new Values(options.key?.publicKey ?? null, {
      application: dependencies.application,
      clock: dependencies.clock,
      tasks: this.#tasks,
      keep: (digest, body) => this.#journal === null || this.#silent() || this.#journal.keep(digest, body),
      answer: input => this.#push({ type: 'input', input }),
      fail: error => this.#halt(error),
      log: (level, event, fields = {}) => this.#log(level, event, fields),
    })
    this.#intake = new Intake(
      { chainId: options.chainId, synchrony: options.synchrony ?? DEFAULT_SYNCHRONY },
      {
        driver: this.#driver,
        clock: dependencies.clock,
        help: this.#help,
        verifier: dependencies.verifier ?? ED25519,
        decode: dependencies.decode ?? (bytes => consensusMessageCodec.decode(bytes)),
        blame: (validator, code) => this.#blame(validator, code),
        caught: evidence => this.#caught(evidence),
        dropped: reason => this.#drop(reason),
      },
    )
  }

  async start(): Promise<void> {
    if (this.#state !== 'new') throw new EpioneError('engine-started', 'A consensus engine is started once.')
    const { key, chainId, voteDespiteLostLog, silentThrough } = this.#options
    const tip = this.#deps.application.tip()
    this.#driver.enter(tip)
    if (key !== null) {
      this.#journal = openJournal({ disk: this.#deps.disk, chainId, key, voteDespiteLostLog, silentThrough }, tip)
      if (this.#journal.lost !== null)
        this.#log(this.#journal.lost === 'no-past' ? 'info' : 'error', 'log-lost', {
          code: this.#journal.lost,
          silentThrough: this.#journal.silentThrough,
        })
      this.#deps.application.restore?.(this.#journal.bodies)
      this.#replay(this.#journal)
    }
    this.#state = 'running'
    this.#help.entered(this.#driver.height)
    this.#work.push({ type: 'wake' })
    this.#kick()
  }

  async stop(): Promise<void> {
    if (this.#state === 'running') {
      this.#state = 'stopping'
      this.#leaveHeight()
      await this.#loop
      for (const work of this.#work) if (work.type === 'sync') work.settle()
      this.#work = []
    }
    this.#state = 'stopping'
    this.#help.stop()
    this.#journal?.close()
    this.#journal = null
  }

  receive(bytes: Uint8Array, from: Uint8Array): void {
    if (this.#state !== 'running' || this.#halted !== null) return
    if (bytes.length > consensusMessageCodec.maxBytes) {
      this.#drop('malformed')
      this.#blame(from, 'malformed')
    } else if (!this.#inbox.push({ bytes, from })) {
      this.#drop('flood')
      this.#blame(from, 'flood')
    } else {
      this.#kick()
    }
  }

  wake(): void {
    if (this.#wakeQueued) return
    this.#wakeQueued = true
    this.#push({ type: 'wake' })
  }

  connected(validator: Uint8Array): void {
    this.#push({ type: 'greet', validator })
  }

  syncedTo(tip: Tip): Promise<void> {
    if (this.#state === 'stopping' || this.#halted !== null) return Promise.resolve()
    return new Promise(resolve => this.#push({ type: 'sync', tip, settle: resolve }))
  }

  settled(): Promise<void> {
    if (!this.#busy()) return Promise.resolve()
    return new Promise(resolve => this.#waiters.push(resolve))
  }

  status(): EngineStatus {
    const driver = this.#driver
    const { round, step, lockedRound, validRound } = driver.machine
    const silent = this.#silent()
    const notVotingBecause =
      this.#halted !== null
        ? 'halted'
        : this.#options.key === null
          ? 'follower'
          : !driver.isValidator
            ? 'not-a-validator'
            : silent
              ? 'lost-log'
              : null
    return {
      height: driver.height,
      round: Math.max(0, round),
      step: driver.decided || driver.started ? step : 'idle',
      sinceMs: this.#sinceMs,
      heightSinceMs: this.#heightSinceMs,
      ...driver.view(),
      lockedRound,
      validRound,
      voting: notVotingBecause === null,
      notVotingBecause,
      silentThrough: this.#journal?.silentThrough ?? -1,
      dropped: this.#drops.flood,
      drops: { ...this.#drops },
      syncs: this.#syncs,
      buffers: { ...driver.sizes(), frames: this.#inbox.size },
      halted: this.#halted,
    }
  }

  /** Replays the log of an earlier life; what it left undone is done now. */
  #replay(journal: Journal): void {
    const outstanding = new Outstanding()
    for (const input of journal.inputs) {
      outstanding.answered(input)
      outstanding.add(this.#driver.handle(input))
    }
    // What the log holds may not be on disk yet; nothing of it is said again before it is.
    this.#unsynced = true
    this.#applyGuardLock(journal)
    for (const vote of journal.unlogged) this.#submit({ type: 'votes', value: [vote] })
    // What was said before comes first: a vote is of no use to whoever lacks its proposal.
    for (const message of this.#driver.resend()) this.#outbox.push({ type: 'broadcast', message })
    this.#perform(outstanding.effects(this.#driver.machine.round))
    if (journal.inputs.length > 0) this.#log('info', 'replayed', { inputs: journal.inputs.length, height: this.#driver.height })
  }

  /** What the guard locked at this height binds, whatever became of the log. */
  #applyGuardLock({ last: { height, lockedRound, lockedBlock } }: Journal): void {
    if (height !== this.#driver.height || lockedBlock === null || lockedRound <= this.#driver.machine.lockedRound) return
    this.#submit({ type: 'lock', value: { height, round: lockedRound, block: lockedBlock } })
  }

  #queued(): boolean {
    if (this.#state !== 'running' || this.#halted !== null) return false
    return this.#work.length > 0 || this.#inbox.size > 0 || this.#outbox.length > 0
  }

  #busy(): boolean {
    return this.#turning || this.#tasks.pending > 0 || this.#queued()
  }

  #settle(): void {
    if (this.#busy()) return
    const waiters = this.#waiters
    this.#waiters = []
    for (const resolve of waiters) resolve()
  }

  #push(work: Work): void {
    if (this.#state === 'stopping' || this.#halted !== null) {
      if (work.type === 'sync') work.settle()
      return
    }
    this.#work.push(work)
    this.#kick()
  }

  #kick(): void {
    if (this.#turning || this.#state !== 'running' || this.#halted !== null) return
    this.#turning = true
    this.#loop = this.#run()
      .catch(error => this.#halt(error))
      .finally(() => {
        this.#turning = false
        // What arrived between the loop's last look and here.
        if (this.#queued()) this.#kick()
        this.#settle()
      })
  }

  async #run(): Promise<void> {
    // What a burst of arrivals brings within one tick is one turn and shares one sync.
    await Promise.resolve()
    while (this.#queued()) {
      const prepared = await Promise.all(this.#inbox.take(FRAMES_PER_TURN).map(frame => this.#intake.prepare(frame)))
      if (this.#state !== 'running') return
      // As many as there are now: what they bring about has its turn after the flush.
      for (let left = this.#work.length; left > 0; left--) {
        const item = this.#work.shift()
        if (item !== undefined) await this.#take(item)
      }
      for (const item of prepared) if (item !== undefined) this.#submit(item.input, item.from)
      await this.#flush()
    }
  }

  async #take(work: Work): Promise<void> {
    switch (work.type) {
      case 'commit':
        await this.#commit(work.decision, work.attempt)
        break
      case 'input':
        this.#submit(work.input, work.from)
        break
      case 'wake':
        this.#wakeQueued = false
        this.#startIfDue()
        break
      case 'greet':
        // Not sent from here: what was signed in this very turn is not on disk yet.
        this.#greeted.push(work.validator)
        break
      case 'sync':
        try {
          if (work.tip.header.height >= this.#driver.height) this.#enter(work.tip)
        } finally {
          work.settle()
        }
    }
  }

  /** Logs and applies an input, and with it whatever this node signs in answer. */
  #submit(given: DriverInput, from?: Uint8Array): void {
    const relevance = this.#driver.relevance(given)
    if (relevance === 'future' && from !== undefined) {
      if (!this.#driver.keep(given, from)) this.#drop('future')
      this.#help.ahead(inputHeight(given), this.#driver.height, from)
      return
    }
    if (relevance !== 'apply') return
    // Meanwhile some of a bundle may have come another way, and what was kept for this height was never looked through.
    const input: DriverInput =
      given.type === 'votes' && given.value.length > 1 ? { type: 'votes', value: this.#driver.useful(given.value) } : given
    if (input.type === 'proposal' && !input.value.timely)
      this.#log('warn', 'proposal-untimely', { height: this.#driver.height, round: input.value.proposal.round })
    if (input.type === 'certificate' && from !== undefined) this.#certificateFrom = from
    // A rebroadcast decides nothing and comes often.
    if (this.#journal !== null && !(input.type === 'timeout' && input.value.kind === 'rebroadcast')) {
      this.#journal.log(input)
    }
    this.#perform(this.#driver.handle(input, from))
    if (this.#driver.machine.round !== this.#round) {
      this.#round = this.#driver.machine.round
      this.#sinceMs = this.#deps.clock.now()
    }
  }

  /** Signs what is to be signed at once, so that one sync covers it all; everything else waits for that sync. */
  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === 'sign-vote' || effect.type === 'sign-proposal') {
        const signed = this.#sign(effect)
        if (signed !== undefined) this.#submit(signed)
      } else if (effect.type === 'redeliver') {
        this.#work.unshift(...effect.inputs.map((input): Work => ({ type: 'input', input })))
      } else {
        this.#outbox.push(effect)
      }
    }
  }

  #sign(effect: Extract<Effect, { type: 'sign-vote' | 'sign-proposal' }>): DriverInput | undefined {
    if (this.#journal === null || this.#silent()) return undefined
    try {
      const signed: DriverInput =
        effect.type === 'sign-vote'
          ? { type: 'votes', value: [this.#journal.signVote(effect.vote, effect.lock)] }
          : { type: 'proposal', value: { proposal: this.#journal.signProposal(effect.proposal, effect.lock), timely: true } }
      this.#unsynced = true
      return signed
    } catch (error) {
      if (errorCode(error) !== 'double-sign-refused') throw error
      this.#log('error', 'double-sign-refused', { height: this.#driver.height, round: this.#driver.machine.round })
      return undefined
    }
  }

  /** Syncs where something was signed, then lets the effects out. */
  async #flush(): Promise<void> {
    if (this.#unsynced && this.#journal !== null) {
      await this.#journal.sync()
      this.#unsynced = false
      this.#syncs++
    }
    for (const validator of this.#greeted.splice(0)) {
      for (const message of this.#driver.resend()) this.#deps.transport.send(validator, consensusMessageCodec.encode(message))
    }
    const effects = this.#outbox
    this.#outbox = []
    let decision: Extract<Effect, { type: 'decide' }> | undefined
    for (const effect of effects) {
      if (effect.type === 'decide') decision = effect
      else this.#execute(effect)
    }
    if (decision !== undefined) await this.#commit(decision, 1)
  }

  /**
   * Stores a decided block. Where that fails (a batch is nowhere to be had, the disk is full) it is tried again, later each time;
   * until it succeeds or synchronisation brings the block, this node stands at the decided height and votes nowhere.
   */
  async #commit(decision: Extract<Effect, { type: 'decide' }>, attempt: number): Promise<void> {
    const { header, batches, certificate } = decision
    if (header.height !== this.#driver.height) return
    const { application } = this.#deps
    let tip = application.tip()
    try {
      // Synchronisation may have stored the same block meanwhile.
      if (tip.header.height < header.height) tip = await application.commit(header, batches, certificate)
    } catch (error) {
      this.#log('error', 'commit-failed', { height: header.height, attempt, code: errorCode(error) })
      this.#timers.set('commit', attempt * this.#options.timeouts.voteMs, () =>
        this.#push({ type: 'commit', decision, attempt: attempt + 1 }),
      )
      return
    }
    this.#enter(tip)
  }

  #execute(effect: Effect): void {
    switch (effect.type) {
      case 'broadcast':
        this.#deps.transport.broadcast(consensusMessageCodec.encode(effect.message))
        break
      case 'schedule':
        this.#schedule(effect.timeout, effect.ms)
        break
      case 'get-value':
        if (effect.height === this.#driver.height && !this.#silent()) this.#values.create(effect, this.#driver.tip)
        break
      case 'validate':
        if (effect.height === this.#driver.height) this.#values.validate(effect)
        break
      case 'abandon':
        this.#tasks.abort(toHex(effect.candidate))
        break
      case 'behind':
        if (effect.height === this.#driver.height && this.#certificateFrom !== null) {
          this.#deps.application.behind?.(effect.height, this.#certificateFrom)
        }
        break
      case 'evidence':
        this.#caught(effect.evidence)
        break
      case 'log':
        this.#log(effect.level, effect.event, effect.fields)
        break
      default:
      // Signing, redelivery and decisions have their own places.
    }
  }

  #schedule(timeout: Timeout, ms: number): void {
    if (timeout.height !== this.#driver.height) return
    this.#timers.set(timeout.kind, ms, () => this.#push({ type: 'input', input: { type: 'timeout', value: timeout } }))
  }

  #leaveHeight(): void {
    this.#timers.clear()
    this.#tasks.clear()
    this.#certificateFrom = null
  }

  #enter(tip: Tip): void {
    this.#leaveHeight()
    // Effects of the height that is left say nothing to anybody any more.
    this.#outbox = this.#outbox.filter(({ type }) => type === 'evidence' || type === 'log')
    const effects = this.#driver.enter(tip)
    this.#journal?.enter(tip)
    this.#round = -1
    this.#sinceMs = this.#deps.clock.now()
    this.#heightSinceMs = this.#sinceMs
    this.#help.entered(this.#driver.height)
    // The guard of an earlier life can be ahead of the chain, as after a lost store.
    if (this.#journal !== null) this.#applyGuardLock(this.#journal)
    this.#perform(effects)
    this.wake()
  }

  /** An idle height starts when there is work or a heartbeat is due; else a timer waits for the heartbeat. */
  #startIfDue(): void {
    if (this.#driver.started || this.#options.key === null || !this.#driver.isValidator) return
    const { application, clock } = this.#deps
    const waitMs = application.heartbeatDueMs() - clock.now()
    if (application.hasWork() || waitMs <= 0) this.#submit({ type: 'start', value: { height: this.#driver.height } })
    else if (Number.isFinite(waitMs)) this.#timers.set('heartbeat', waitMs, () => this.wake())
  }

  /** Whether the log of an earlier life is lost at this height: this node may have voted, so it does not vote now. */
  #silent(): boolean {
    return this.#journal !== null && this.#driver.height <= this.#journal.silentThrough
  }

  /** Fail-stop: without its log a validator must not speak. */
  #halt(error: unknown): void {
    if (this.#halted !== null) return
    this.#halted = errorCode(error)
    this.#leaveHeight()
    for (const work of this.#work) if (work.type === 'sync') work.settle()
    this.#work = []
    this.#log('error', 'halted', { code: this.#halted, reason: error instanceof Error ? error.message : 'unknown' })
    this.#deps.onFailure?.(error)
  }

  #drop(reason: DropReason): void {
    this.#drops[reason]++
  }

  #caught(evidence: Evidence): void {
    this.#log('warn', 'double-sign', { validator: toHex(accused(evidence)), height: evidence.value.first.height })
    this.#blame(accused(evidence), 'double-sign', evidence)
  }

  #blame(validator: Uint8Array, code: Misbehaviour['code'], evidence?: Evidence): undefined {
    try {
      this.#deps.onMisbehaviour?.({ validator, code, evidence })
    } catch (error) {
      this.#log('error', 'misbehaviour-handler-failed', { code: errorCode(error) })
    }
  }

  #log(level: LogLevel, event: string, fields: Readonly<Record<string, string | number | boolean | null>>): void {
    this.#deps.logger?.log(level, `consensus.${event}`, fields)
  }
}
