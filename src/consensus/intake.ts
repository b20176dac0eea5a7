/** From frames to verified inputs: decode, ask the driver whether it is of use, and only then spend time on signatures. */
import { verifySignatureAsync } from '../crypto/signature.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { verifyCertificate } from '../ledger/certificate.ts'
import type { Clock, Misbehaviour } from './application.ts'
import type { Driver } from './driver.ts'
import type { Frame } from './inbox.ts'
import { type DriverInput, inputHeight } from './inputs.ts'
import { type ConsensusMessage, consensusMessageCodec, proposalSigningBytes, type Vote, voteMessageSigningBytes } from './messages.ts'
import type { PeerHelp } from './peer-help.ts'

/** How far ahead of our clock a fresh proposal's time may be, in ms. */
export const MAX_TIME_AHEAD_MS = 10_000

export interface VerifiedInput {
  input: DriverInput
  from: Uint8Array
}

export class Intake {
  readonly #chainId: Uint8Array
  readonly #driver: Driver
  readonly #clock: Clock
  readonly #help: PeerHelp
  readonly #blame: (validator: Uint8Array, code: Misbehaviour['code']) => void

  constructor(
    chainId: Uint8Array,
    dependencies: { driver: Driver; clock: Clock; help: PeerHelp; blame: (validator: Uint8Array, code: Misbehaviour['code']) => void },
  ) {
    this.#chainId = chainId
    this.#driver = dependencies.driver
    this.#clock = dependencies.clock
    this.#help = dependencies.help
    this.#blame = dependencies.blame
  }

  /** Decodes and verifies a frame; undefined where it is of no use, and its sender is blamed where that is its fault. Never throws. */
  async prepare({ bytes, from }: Frame): Promise<VerifiedInput | undefined> {
    let message: ConsensusMessage
    try {
      message = consensusMessageCodec.decode(bytes)
    } catch {
      this.#blame(from, 'malformed')
      return undefined
    }
    const input = this.#inputOf(message)
    const relevance = this.#driver.relevance(input)
    switch (relevance) {
      case 'known':
        return undefined
      case 'old':
        if (input.type !== 'certificate') this.#help.old(inputHeight(input), this.#driver.height, from)
        return undefined
      case 'unknown-validator':
      case 'wrong-proposer':
        this.#blame(from, relevance)
        return undefined
      default:
        break
    }
    if (input.type === 'certificate' && relevance === 'future') {
      // Which validators sign a later height this node cannot know yet: it is a hint to synchronise, no more.
      this.#help.ahead(inputHeight(input), this.#driver.height, from)
      return undefined
    }
    if (await this.#verify(message)) return { input, from }
    this.#blame(from, message.type === 'certificate' ? 'invalid-certificate' : 'invalid-signature')
    return undefined
  }

  #inputOf(message: ConsensusMessage): DriverInput {
    switch (message.type) {
      case 'proposal': {
        const timely = message.value.header.time <= this.#clock.now() + MAX_TIME_AHEAD_MS
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
        return verifySignatureAsync(validator, proposalSigningBytes(this.#chainId, message.value), signature)
      }
      case 'vote':
        return this.#verifyVotes([message.value])
      case 'votes':
        return this.#verifyVotes(message.value)
      case 'certificate': {
        const { header, certificate } = message.value
        if (!equalBytes(header.chainId, this.#chainId)) return false
        try {
          verifyCertificate(header, certificate, this.#driver.tip.validators)
          return true
        } catch {
          return false
        }
      }
    }
  }

  async #verifyVotes(votes: readonly Vote[]): Promise<boolean> {
    const verdicts = await Promise.all(
      votes.map(vote => verifySignatureAsync(vote.validator, voteMessageSigningBytes(this.#chainId, vote), vote.signature)),
    )
    return verdicts.every(Boolean)
  }
}
