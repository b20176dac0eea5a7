/** From frames to verified inputs: decode, ask the driver whether it is of use, and only then spend time on signatures. */
import { equalBytes } from '../encoding/bytes.ts'
import { verifyCertificate } from '../ledger/certificate.ts'
import type { Evidence } from '../ledger/evidence.ts'
import type { Clock, DropReason, Misbehaviour, Synchrony, Verifier } from './application.ts'
import type { Driver } from './driver.ts'
import { MAX_FUTURE_HEIGHTS } from './future.ts'
import type { Frame } from './inbox.ts'
import { type DriverInput, inputHeight } from './inputs.ts'
import { LateVotes } from './late-votes.ts'
import { type ConsensusMessage, proposalSigningBytes, type Vote, voteMessageSigningBytes } from './messages.ts'
import type { PeerHelp } from './peer-help.ts'
import { isTimely } from './timeliness.ts'

export interface VerifiedInput {
  input: DriverInput
  from: Uint8Array
}

export interface IntakeDependencies {
  driver: Driver
  clock: Clock
  help: PeerHelp
  verifier: Verifier
  decode: (bytes: Uint8Array) => ConsensusMessage
  blame: (validator: Uint8Array, code: Misbehaviour['code']) => void
  /** Somebody signed two votes for one place, and the second came when its height was decided. */
  caught: (evidence: Evidence) => void
  /** A message goes no further; where it is its sender's fault, that was blamed beside. */
  dropped: (reason: DropReason) => void
}

export class Intake {
  readonly #chainId: Uint8Array
  readonly #synchrony: Synchrony
  readonly #deps: IntakeDependencies
  readonly #late = new LateVotes()

  constructor(options: { chainId: Uint8Array; synchrony: Synchrony }, dependencies: IntakeDependencies) {
    this.#chainId = options.chainId
    this.#synchrony = options.synchrony
    this.#deps = dependencies
  }

  /** Decodes and verifies a frame; undefined where it is of no use, and its sender is blamed where that is its fault. Never throws. */
  async prepare({ bytes, from }: Frame): Promise<VerifiedInput | undefined> {
    const { driver, help, dropped } = this.#deps
    let message: ConsensusMessage
    try {
      message = this.#deps.decode(bytes)
    } catch {
      return this.#fault(from, 'malformed')
    }
    const input = this.#inputOf(message)
    const relevance = driver.relevance(input)
    switch (relevance) {
      case 'known':
        dropped('known')
        await this.#lookLate(message)
        return undefined
      case 'old':
        if (input.type !== 'certificate') help.old(inputHeight(input), driver.height, from)
        dropped('old')
        await this.#lookLate(message)
        return undefined
      case 'unknown-validator':
      case 'wrong-proposer':
        return this.#fault(from, relevance)
      default:
        break
    }
    if (relevance === 'future' && (input.type === 'certificate' || inputHeight(input) > driver.height + MAX_FUTURE_HEIGHTS)) {
      // Which validators sign a later height this node cannot know yet, and what is too far ahead is not kept: both are a hint
      // to synchronise, no more.
      help.ahead(inputHeight(input), driver.height, from)
      dropped('future')
      return undefined
    }
    if (relevance === 'future') {
      const state = driver.admits(input, from)
      if (state !== 'room') {
        if (state === 'full') help.ahead(inputHeight(input), driver.height, from)
        dropped(state === 'full' ? 'future' : 'known')
        return undefined
      }
    } else if (message.type === 'votes') {
      // A bundle costs as much as what is new in it.
      const whole = message
      message = { type: 'votes', value: driver.useful(message.value) }
      if (!(await this.#verify(message))) return this.#fault(from, 'invalid-signature')
      this.#remember(message)
      if (message.value.length < whole.value.length) await this.#lookLate(whole)
      return { input: message, from }
    }
    if (await this.#verify(message)) {
      if (relevance !== 'future') this.#remember(message)
      return { input, from }
    }
    return this.#fault(from, message.type === 'certificate' ? 'invalid-certificate' : 'invalid-signature')
  }

  /** What was verified of the present height. Where two votes of it differ, the state machine says so by itself. */
  #remember(message: ConsensusMessage): void {
    if (message.type === 'vote') this.#late.see([message.value])
    else if (message.type === 'votes') this.#late.see(message.value)
    else if (message.type === 'certificate')
      for (const each of this.#late.seeCertificate(message.value.certificate)) this.#deps.caught(each)
  }

  /** Votes that decide nothing any more. One whose signature is wrong is of no use and no news. */
  async #lookLate(message: ConsensusMessage): Promise<void> {
    const votes = message.type === 'vote' ? [message.value] : message.type === 'votes' ? message.value : []
    const { validators } = this.#deps.driver.tip.validators
    const news = votes.filter(vote => this.#late.isNews(vote) && validators.some(({ publicKey }) => equalBytes(publicKey, vote.validator)))
    const verdicts = await Promise.all(news.map(async vote => await this.#verifyVotes([vote])))
    for (const each of this.#late.see(news.filter((_, i) => verdicts[i] === true))) this.#deps.caught(each)
  }

  #fault(from: Uint8Array, code: Exclude<Misbehaviour['code'], 'double-sign'>): undefined {
    this.#deps.dropped(code)
    this.#deps.blame(from, code)
    return undefined
  }

  #inputOf(message: ConsensusMessage): DriverInput {
    switch (message.type) {
      case 'proposal': {
        const { header, round } = message.value
        const timely = isTimely(header.time, this.#deps.clock.now(), round, this.#synchrony)
        return { type: 'proposal', value: { proposal: message.value, timely } }
      }
      case 'vote':
        return { type: 'votes', value: [message.value] }
      default:
        return message
    }
  }

  async #verify(message: ConsensusMessage): Promise<boolean> {
    switch (message.type) {
      case 'proposal': {
        const { validator, signature } = message.value
        return this.#deps.verifier.verifyAsync(validator, proposalSigningBytes(this.#chainId, message.value), signature)
      }
      case 'vote':
        return this.#verifyVotes([message.value])
      case 'votes':
        return this.#verifyVotes(message.value)
      case 'certificate': {
        const { header, certificate } = message.value
        const { driver, verifier } = this.#deps
        if (!equalBytes(header.chainId, this.#chainId)) return false
        try {
          verifyCertificate(header, certificate, driver.tip.validators, verifier)
          return true
        } catch {
          return false
        }
      }
    }
  }

  async #verifyVotes(votes: readonly Vote[]): Promise<boolean> {
    const verdicts = await Promise.all(
      votes.map(vote => this.#deps.verifier.verifyAsync(vote.validator, voteMessageSigningBytes(this.#chainId, vote), vote.signature)),
    )
    return verdicts.every(Boolean)
  }
}
