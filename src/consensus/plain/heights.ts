/**
 * The driver of one node, height after height, driven by plain data: what a node hears, what its application and its clock answer in;
 * what it says, asks and decides out. Nothing of the protocol is here: names become the headers, keys and hashes that the driver
 * knows, and its effects become names again.
 */
import { toHex, utf8 } from '../../encoding/bytes.ts'
import { taggedHash } from '../../encoding/hash.ts'
import { accused } from '../../ledger/evidence.ts'
import { BLOCK_VERSION, type Header, headerHash, type ValidatorSet, validatorSetHash } from '../../ledger/header.ts'
import type { Timeouts, Tip } from '../application.ts'
import { Driver } from '../driver.ts'
import type { Effect } from '../effects.ts'
import { type DriverInput, inputHeight } from '../inputs.ts'
import { type ConsensusMessage, candidateId, type Proposal, type Vote } from '../messages.ts'
import { proposerAt } from '../proposer.ts'
import type {
  ConsensusInput,
  ConsensusOutput,
  ConsensusSetup,
  ConsensusState,
  ConsensusView,
  PlainMessage,
  PlainValue,
  PlainVerdict,
} from './formats.ts'
import { badInput, badSetup, bytesOf, checkHeight, checkOneOf, checkRound, nameOf, setOf } from './names.ts'
import { recorder, type Stepped } from './recording.ts'
import { type PlainVote, voteOf } from './votes.ts'

const consensus = recorder<ConsensusSetup, ConsensusInput, ConsensusOutput, PlainNode>(
  setup => new PlainNode(setup),
  (node, input) => node.apply(input),
)

/** A node at the start of its first height, idle. @throws EpioneError `consensus-setup` */
export function startConsensus(setup: ConsensusSetup): ConsensusState {
  return consensus.start(setup)
}

/**
 * Applies one input and everything that follows from it. The same setup and inputs give the same outputs, always: a state is no more than
 * both, so that it can be written as JSON, forked, and continued by another process.
 * @throws EpioneError `consensus-input` for an input that is not one; the state is as it was
 */
export function stepConsensus(state: ConsensusState, input: ConsensusInput): Stepped<ConsensusSetup, ConsensusInput, ConsensusOutput> {
  return consensus.step(state, input)
}

/** What a node's state holds, for display and tests. */
export function viewConsensus(state: ConsensusState): ConsensusView {
  return consensus.live(state).view()
}

const DEFAULT_TIMEOUTS: Timeouts = { proposeMs: 1000, voteMs: 500, growthMs: 250 }
/** Blocks are a second apart and stand on blocks of this name: what tips are called makes no difference to the protocol. */
const BLOCK_MS = 1000
const NOTHING = new Uint8Array(32)
const UNSIGNED = new Uint8Array(64)

class PlainNode {
  readonly #driver: Driver
  readonly #self: Uint8Array | null
  readonly #sign: boolean
  #set: ValidatorSet
  /** What hashes stand for; it grows with the names of the table. */
  readonly #values = new Map<string, PlainValue>()
  readonly #candidates = new Map<string, { value: PlainValue; batches: readonly string[]; answer: PlainVerdict }>()
  #outputs: ConsensusOutput[] = []

  constructor({ validators, self, height = 1, timeouts = DEFAULT_TIMEOUTS, sign = true }: ConsensusSetup) {
    if (!Number.isSafeInteger(height) || height < 1) badSetup('The first height is an integer from 1.')
    for (const ms of [timeouts.proposeMs, timeouts.voteMs, timeouts.growthMs]) {
      if (!Number.isSafeInteger(ms) || ms < 0) badSetup('Timeouts are whole milliseconds.')
    }
    this.#set = setOf(validators, height)
    this.#self = self === null ? null : bytesOf(self, 'self')
    this.#sign = sign
    this.#driver = new Driver({ self: this.#self, timeouts }, this.#tip(height - 1))
  }

  apply(input: ConsensusInput): ConsensusOutput[] {
    this.#outputs = []
    if (input.type === 'enter') {
      const height = input.height === undefined ? this.#driver.height : checkHeight(input.height)
      if (height < this.#driver.height) {
        this.#outputs.push({ type: 'dropped', because: 'old' })
      } else {
        if (input.validators !== undefined) this.#set = setOf(input.validators, height + 1)
        this.#perform(this.#driver.enter(this.#tip(height)))
      }
    } else {
      const { driverInput, by } = this.#translate(input)
      this.#submit(driverInput, by)
    }
    return this.#outputs
  }

  view(): ConsensusView {
    const { round, step, lockedValue, lockedRound, validValue, validRound } = this.#driver.machine
    const { proposer, votes } = this.#driver.view()
    const valueName = (id: string | null): PlainValue | null => (id === null ? null : (this.#values.get(id) ?? id))
    return {
      height: this.#driver.height,
      round,
      step: this.#driver.decided || this.#driver.started ? step : 'idle',
      lockedValue: valueName(lockedValue),
      lockedRound,
      validValue: valueName(validValue),
      validRound,
      proposer: nameOf(proposer),
      voted: votes.map(({ validator, power, prevote, precommit }) => ({ name: nameOf(validator), power, prevote, precommit })),
      sizes: this.#driver.sizes(),
    }
  }

  #tip(height: number): Tip {
    const hash = validatorSetHash(this.#set)
    const header: Header = {
      ...this.#blank(height),
      proposer: NOTHING,
      transactionsRoot: NOTHING,
      validatorsHash: hash,
      nextValidatorsHash: hash,
    }
    return { header, hash: NOTHING, validators: this.#set }
  }

  #blank(height: number): Omit<Header, 'proposer' | 'transactionsRoot' | 'validatorsHash' | 'nextValidatorsHash'> {
    return {
      chainId: NOTHING,
      version: BLOCK_VERSION,
      height,
      time: height * BLOCK_MS,
      parent: NOTHING,
      stateRoot: NOTHING,
      receiptsRoot: NOTHING,
    }
  }

  /** The header that a value's name stands for at a height. */
  #header(name: unknown, height: number): Header {
    if (typeof name !== 'string' || !/^[^@]{1,64}(@\d{1,7})?$/.test(name)) {
      return badInput(`A value is called like "v" or, first proposed in round 3, "v@3", not ${JSON.stringify(name)}.`)
    }
    const round = checkRound(Number(name.split('@')[1] ?? 0), 'the round in a name')
    const hash = validatorSetHash(this.#set)
    const header: Header = {
      ...this.#blank(height),
      proposer: this.#proposer(height, round),
      transactionsRoot: taggedHash('plain-value', utf8(name)),
      validatorsHash: hash,
      nextValidatorsHash: hash,
    }
    this.#values.set(toHex(headerHash(header)), name)
    return header
  }

  #proposer(height: number, round: number): Uint8Array {
    return proposerAt(this.#set, height, round).publicKey
  }

  #batchesOf(names: readonly string[] = []): Uint8Array[] {
    if (!Array.isArray(names)) return badInput('batches must be a list of names.')
    return names.map(name => bytesOf(name, 'a batch'))
  }

  /** Notes what a candidate is called, and the verdict that is to be given on it. */
  #candidate(header: Header, batches: Uint8Array[], answer?: PlainVerdict): Uint8Array {
    const id = candidateId(header, batches)
    const known = this.#candidates.get(toHex(id))
    const value = this.#valueName(headerHash(header)) as PlainValue
    this.#candidates.set(toHex(id), { value, batches: batches.map(nameOf), answer: answer ?? known?.answer ?? true })
    return id
  }

  #translate(input: Exclude<ConsensusInput, { type: 'enter' }>): { driverInput: DriverInput; by?: Uint8Array } {
    const present = this.#driver.height
    switch (input.type) {
      case 'start':
        return { driverInput: { type: 'start', value: { height: present } } }
      case 'proposal': {
        const height = input.height === undefined ? present : checkHeight(input.height)
        const round = checkRound(input.round)
        const validRound = input.validRound === undefined ? -1 : checkRound(input.validRound, 'validRound', -1)
        if (validRound >= round) return badInput(`validRound ${validRound} is not below round ${round}.`)
        const header = this.#header(input.value, height)
        const batches = this.#batchesOf(input.batches)
        if (![true, false, null, 'ask', undefined].includes(input.valid)) badInput('valid must be true, false, null or "ask".')
        this.#candidate(header, batches, input.valid)
        const validator = input.from === undefined ? this.#proposer(height, round) : bytesOf(input.from, 'from')
        const proposal: Proposal = {
          height,
          round,
          validRound: validRound < 0 ? null : validRound,
          header,
          batches,
          validator,
          signature: UNSIGNED,
        }
        return { driverInput: { type: 'proposal', value: { proposal, timely: input.timely !== false } }, by: validator }
      }
      case 'vote':
      case 'votes': {
        const height = input.height === undefined ? present : checkHeight(input.height)
        const plain = input.type === 'vote' ? [input] : input.votes
        if (!Array.isArray(plain) || plain.length === 0) return badInput('votes must be a list with at least one vote.')
        const votes = plain.map(vote => voteOf(vote, height, name => headerHash(this.#header(name, height))))
        const by = input.type === 'votes' && input.by !== undefined ? bytesOf(input.by, 'by') : (votes[0] as Vote).validator
        return { driverInput: { type: 'votes', value: votes }, by }
      }
      case 'certificate': {
        const header = this.#header(input.value, present)
        if (!Array.isArray(input.from)) return badInput('from must be a list of names.')
        const signatures = input.from.map(name => ({ validator: bytesOf(name, 'from'), signature: UNSIGNED }))
        const certificate = { height: present, round: checkRound(input.round), block: headerHash(header), signatures }
        return { driverInput: { type: 'certificate', value: { header, certificate } } }
      }
      case 'timeout': {
        const kind = checkOneOf(input.kind, 'kind', ['propose', 'prevote', 'precommit', 'rebroadcast'])
        return { driverInput: { type: 'timeout', value: { kind, height: present, round: checkRound(input.round) } } }
      }
      case 'value': {
        const header = this.#header(input.value, present)
        const batches = this.#batchesOf(input.batches)
        this.#candidate(header, batches)
        return { driverInput: { type: 'value', value: { height: present, round: checkRound(input.round), header, batches } } }
      }
      case 'verdict': {
        if (![true, false, null].includes(input.valid)) return badInput('valid must be true, false or null.')
        const candidate = this.#candidate(this.#header(input.value, present), this.#batchesOf(input.batches))
        return { driverInput: { type: 'verdict', value: { height: present, candidate, valid: input.valid } } }
      }
      case 'lock': {
        const block = headerHash(this.#header(input.value, present))
        return { driverInput: { type: 'lock', value: { height: present, round: checkRound(input.round), block } } }
      }
      default:
        return badInput(`There is no input "${String((input as { type?: unknown }).type)}".`)
    }
  }

  /** As the engine does it: ask whether the input is of use, apply it, and with it whatever the node signs in answer. */
  #submit(input: DriverInput, by?: Uint8Array): void {
    const relevance = this.#driver.relevance(input)
    if (relevance === 'future') {
      const kept = by !== undefined && this.#driver.keep(input, by)
      this.#outputs.push(kept ? { type: 'kept', height: inputHeight(input) } : { type: 'dropped', because: 'beyond-bounds' })
    } else if (relevance === 'apply') {
      this.#perform(this.#driver.handle(input))
    } else {
      this.#outputs.push({ type: 'dropped', because: relevance })
    }
  }

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      switch (effect.type) {
        case 'sign-vote': {
          const { kind, height, round, block } = effect.vote
          this.#outputs.push({ type: 'vote', height, kind, round, value: this.#valueName(block) })
          if (this.#sign) this.#submit({ type: 'votes', value: [{ ...effect.vote, signature: UNSIGNED }] })
          break
        }
        case 'sign-proposal': {
          const { height, round, validRound, header, batches } = effect.proposal
          const value = this.#valueName(headerHash(header)) as PlainValue
          this.#outputs.push({ type: 'propose', height, round, value, validRound: validRound ?? -1, batches: batches.map(nameOf) })
          if (this.#sign) {
            this.#submit({ type: 'proposal', value: { proposal: { ...effect.proposal, signature: UNSIGNED }, timely: true } })
          }
          break
        }
        case 'broadcast':
          this.#outputs.push({ type: 'broadcast', message: this.#message(effect.message) })
          break
        case 'schedule':
          this.#outputs.push({ type: 'schedule', ...effect.timeout, ms: effect.ms })
          break
        case 'get-value':
        case 'behind':
          this.#outputs.push(effect)
          break
        case 'validate':
          this.#validate(effect)
          break
        case 'abandon': {
          const { value, batches } = this.#named(effect.candidate)
          this.#outputs.push({ type: 'abandon', value, batches })
          break
        }
        case 'decide': {
          const { header, batches, certificate } = effect
          this.#outputs.push({
            type: 'decide',
            height: header.height,
            round: certificate.round,
            value: this.#valueName(certificate.block) as PlainValue,
            batches: batches.map(nameOf),
            from: certificate.signatures.map(({ validator }) => nameOf(validator)),
          })
          break
        }
        case 'redeliver':
          this.#outputs.push({ type: 'redeliver', messages: effect.inputs.length })
          for (const input of effect.inputs) this.#submit(input)
          break
        case 'evidence': {
          const { evidence } = effect
          const { height, round } = evidence.value.first
          const [kind, values] =
            evidence.type === 'votes'
              ? [evidence.value.first.kind, [evidence.value.first.block, evidence.value.second.block]]
              : (['proposal', [evidence.value.first.header, evidence.value.second.header]] as const)
          const against = nameOf(accused(evidence))
          this.#outputs.push({ type: 'evidence', against, kind, height, round, values: values.map(id => this.#valueName(id)) })
          break
        }
        case 'log':
          this.#outputs.push({ type: 'log', event: effect.event })
      }
    }
  }

  #validate({ height, candidate }: Extract<Effect, { type: 'validate' }>): void {
    const { value, batches, answer } = this.#named(candidate)
    if (answer === 'ask') this.#outputs.push({ type: 'validate', height, value, batches })
    else this.#submit({ type: 'verdict', value: { height, candidate, valid: answer } })
  }

  #named(candidate: Uint8Array): { value: PlainValue; batches: readonly string[]; answer: PlainVerdict } {
    return this.#candidates.get(toHex(candidate)) ?? badInput('The driver names a candidate that no input named.')
  }

  #valueName(block: Uint8Array | null): PlainValue | null {
    return block === null ? null : (this.#values.get(toHex(block)) ?? toHex(block))
  }

  #message(message: ConsensusMessage): PlainMessage {
    switch (message.type) {
      case 'proposal': {
        const { height, round, validRound, header, batches, validator } = message.value
        const value = this.#valueName(headerHash(header)) as PlainValue
        const from = nameOf(validator)
        return { type: 'proposal', height, round, value, validRound: validRound ?? -1, from, batches: batches.map(nameOf) }
      }
      case 'vote':
        return { type: 'vote', height: message.value.height, ...this.#vote(message.value) }
      case 'votes':
        return {
          type: 'votes',
          height: message.value[0]?.height,
          votes: message.value.map(vote => this.#vote(vote)),
          by: this.#self === null ? undefined : nameOf(this.#self),
        }
      case 'certificate': {
        const { round, block, signatures } = message.value.certificate
        return {
          type: 'certificate',
          round,
          value: this.#valueName(block) as PlainValue,
          from: signatures.map(({ validator }) => nameOf(validator)),
        }
      }
    }
  }

  #vote({ kind, round, block, validator }: Vote): PlainVote {
    return { kind, round, value: this.#valueName(block), from: nameOf(validator) }
  }
}
