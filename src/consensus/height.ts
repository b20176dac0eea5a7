/**
 * One height: feeds the round state machine with every clause of Algorithm 1 whose messages and verdicts are there, until none
 * is left that fires, and turns the machine's outputs into effects. Deterministic: the same inputs in the same order give the
 * same effects, which is what replay and simulation stand on.
 */
import { compareBytes, equalBytes, parseHex, toHex } from '../encoding/bytes.ts'
import type { Certificate } from '../ledger/certificate.ts'
import type { Timeouts, Tip } from './application.ts'
import { type Candidate, Candidates } from './candidates.ts'
import type { Effect, LockState } from './effects.ts'
import { proposalEvidence } from './evidence.ts'
import type { DriverInput, Timeout } from './inputs.ts'
import { initialState, type MachineInput, type MachineOutput, type MachineState, transition } from './machine.ts'
import { type ConsensusMessage, type Decision, MAX_BUNDLE_VOTES, type Proposal, proposalContent, type Vote } from './messages.ts'
import { proposerAt } from './proposer.ts'
import { type BufferedVotes, MAX_FUTURE_ROUNDS, PAST_ROUNDS, type ValueId, VoteKeeper } from './votes.ts'

interface HeldProposal {
  readonly proposal: Proposal
  readonly candidate: Candidate
  readonly timely: boolean
  accused: boolean
}

/** Times of a round, growing linearly with it and without a cap. */
export function roundTimeouts(
  { proposeMs, voteMs, growthMs }: Timeouts,
  round: number,
): {
  proposeMs: number
  voteMs: number
  rebroadcastMs: number
} {
  const growth = growthMs * round
  return {
    proposeMs: proposeMs + growth,
    voteMs: voteMs + growth,
    rebroadcastMs: proposeMs + 2 * voteMs + 3 * growth,
  }
}

export class HeightState {
  readonly height: number
  readonly votes: VoteKeeper
  readonly #tip: Tip
  /** This node's key, or null where it does not vote at this height. */
  readonly #self: Uint8Array | null
  readonly #timeouts: Timeouts
  readonly #candidates: Candidates
  readonly #proposals = new Map<number, HeldProposal>()
  /** Verified certificates that came whole, by value. */
  readonly #certificates = new Map<ValueId, Decision>()
  #machine: MachineState = initialState
  #effects: Effect[] = []
  #conflictLogged = false

  constructor(tip: Tip, self: Uint8Array | null, timeouts: Timeouts) {
    this.height = tip.header.height + 1
    this.#tip = tip
    this.votes = new VoteKeeper(tip.validators)
    this.#self = self !== null && this.votes.isMember(self) ? self : null
    this.#timeouts = timeouts
    this.#candidates = new Candidates(tip)
  }

  get machine(): MachineState {
    return this.#machine
  }

  get isValidator(): boolean {
    return this.#self !== null
  }

  get started(): boolean {
    return this.#machine.round >= 0
  }

  /** Whether the value is decided: nothing changes this height any more. */
  get decided(): boolean {
    return this.#machine.step === 'decided'
  }

  /** How much is held of this height. */
  sizes(): BufferedVotes & { proposals: number; candidates: number; certificates: number } {
    return {
      ...this.votes.sizes(),
      proposals: this.#proposals.size,
      candidates: this.#candidates.size,
      certificates: this.#certificates.size,
    }
  }

  proposer(round: number): Uint8Array {
    return proposerAt(this.#tip.validators, this.height, round).publicKey
  }

  /**
   * Whether an input of this height would change anything, or what is wrong with its sender: what would not change anything is
   * neither verified, logged nor applied.
   */
  relevance(input: DriverInput): 'apply' | 'known' | 'unknown-validator' | 'wrong-proposer' {
    if (this.decided) return 'known'
    switch (input.type) {
      case 'start':
        return verdict(!this.started && this.isValidator)
      case 'proposal': {
        const { proposal } = input.value
        if (!equalBytes(proposal.validator, this.proposer(proposal.round))) return 'wrong-proposer'
        const held = this.#proposals.get(proposal.round)
        if (held === undefined) return verdict(this.votes.admits(proposal.validator, proposal.round))
        return verdict(!held.accused && !sameProposal(held.proposal, proposal))
      }
      case 'votes':
        if (!input.value.every(vote => this.votes.isMember(vote.validator))) return 'unknown-validator'
        return verdict(input.value.some(vote => this.votes.wants(vote)) || this.votes.completes(input.value))
      case 'certificate':
        return verdict(!this.#certificates.has(toHex(input.value.certificate.block)))
      case 'timeout':
        return verdict(input.value.round === this.#machine.round)
      case 'value':
        return verdict(this.#machine.awaitingValue && this.#machine.step === 'propose' && input.value.round === this.#machine.round)
      case 'verdict':
        return verdict(this.#candidates.get(input.value.candidate)?.asked === true)
      case 'lock':
        return verdict(input.value.round > this.#machine.lockedRound)
    }
  }

  apply(input: DriverInput): Effect[] {
    this.#effects = []
    if (!this.decided) {
      this.#absorb(input)
      this.#advance()
    }
    return this.#effects
  }

  #absorb(input: DriverInput): void {
    switch (input.type) {
      case 'start':
        this.#start()
        break
      case 'proposal':
        this.#addProposal(input.value.proposal, input.value.timely)
        break
      case 'votes':
        this.#addVotes(input.value)
        break
      case 'certificate':
        this.#certificates.set(toHex(input.value.certificate.block), input.value)
        if (this.#candidates.ofValue(toHex(input.value.certificate.block)).length === 0) {
          this.#emit({ type: 'behind', height: this.height })
        }
        break
      case 'timeout':
        this.#onTimeout(input.value)
        break
      case 'value': {
        const candidate = this.#candidates.admit(input.value.header, input.value.batches)
        if (candidate.verdict === false || !equalBytes(input.value.header.proposer, this.proposer(input.value.round))) {
          this.#log('error', 'own-value-invalid', { round: input.value.round })
          break
        }
        candidate.verdict = true
        this.#feed({ type: 'value', round: input.value.round, value: candidate.value })
        break
      }
      case 'verdict': {
        const candidate = this.#candidates.get(input.value.candidate)
        if (candidate === undefined) break
        candidate.asked = false
        if (input.value.valid === null) candidate.stuck = true
        else candidate.verdict = input.value.valid
        break
      }
      case 'lock':
        if (input.value.round <= this.#machine.lockedRound) break
        this.#machine = { ...this.#machine, lockedRound: input.value.round, lockedValue: toHex(input.value.block) }
    }
  }

  #start(): void {
    if (!this.started) this.#enterRound(0)
  }

  #addProposal(proposal: Proposal, timely: boolean): void {
    const { round, validator } = proposal
    if (!equalBytes(validator, this.proposer(round))) return
    const held = this.#proposals.get(round)
    if (held !== undefined) {
      if (held.accused || sameProposal(held.proposal, proposal)) return
      held.accused = true
      this.#emit({ type: 'evidence', evidence: proposalEvidence(held.proposal, proposal) })
      return
    }
    if (!this.votes.note(validator, round)) return
    const candidate = this.#candidates.admit(proposal.header, proposal.batches)
    this.#proposals.set(round, { proposal, candidate, timely, accused: false })
    this.#dropFarProposals(validator)
    if (this.#isSelf(validator)) {
      this.#emit({ type: 'broadcast', message: { type: 'proposal', value: proposal } })
      // The votes are the proof: who lacks this polka cannot act on the proposal.
      if (proposal.validRound !== null) this.#broadcastVotes(this.votes.votesFor('prevote', proposal.validRound, candidate.value))
    }
    this.#start()
  }

  #addVotes(votes: readonly Vote[]): void {
    let useful = false
    for (const vote of votes) {
      const result = this.votes.add(vote)
      useful ||= result.status === 'added'
      if (result.status === 'conflict') this.#emit({ type: 'evidence', evidence: result.evidence })
      if (result.status === 'added' && this.#isSelf(vote.validator)) {
        this.#emit({ type: 'broadcast', message: { type: 'vote', value: vote } })
      }
    }
    if (this.votes.addCertificates(votes)) useful = true
    if (useful) this.#start()
  }

  #onTimeout({ kind, round }: Timeout): void {
    if (round !== this.#machine.round) return
    if (kind !== 'rebroadcast') {
      this.#feed({ type: 'timeout', kind, round })
      return
    }
    for (const candidate of this.#candidates.all()) candidate.stuck = false
    if (this.#self !== null) for (const message of this.resend()) this.#emit({ type: 'broadcast', message })
    if (this.#certificates.size > 0) this.#emit({ type: 'behind', height: this.height })
    this.#schedule('rebroadcast', round)
  }

  /**
   * What a peer at this height may have missed: the round's proposal, this round's votes (all of them once they are what lets
   * others enter the round, else our own), the precommits that ended the round before, and the polka of the valid value.
   */
  resend(): ConsensusMessage[] {
    if (!this.started) return []
    const { round, validRound, validValue } = this.#machine
    const messages: ConsensusMessage[] = []
    const held = this.#proposals.get(round)
    if (held !== undefined) messages.push({ type: 'proposal', value: held.proposal })
    const own = (vote: Vote): boolean => this.votes.isSkip(round) || this.#isSelf(vote.validator)
    const present = [...this.votes.votesOf('prevote', round), ...this.votes.votesOf('precommit', round)].filter(own)
    const ended = round > 0 && this.votes.quorumAny('precommit', round - 1) ? this.votes.votesOf('precommit', round - 1) : []
    const polka = validValue !== null && validRound < round ? this.votes.votesFor('prevote', validRound, validValue) : []
    for (const votes of [present, ended, polka]) if (votes.length > 0) messages.push(bundle(votes))
    return messages
  }

  /** Applies enabled clauses until none is left. */
  #advance(): void {
    while (!this.decided && this.#fire());
    if (!this.decided) this.#validate()
  }

  /** Fires one enabled clause. Each transition changes what is enabled, so the caller looks again. */
  #fire(): boolean {
    for (const input of this.#enabled()) if (this.#feed(input)) return true
    return false
  }

  /** Clauses whose messages and verdicts are there, the decision first, then the skip, then those of the present round. */
  *#enabled(): Iterable<MachineInput> {
    // Line 49.
    for (const { round, value } of this.#decisions()) {
      if (this.#candidates.valid(value) !== undefined) yield { type: 'decision', round, value }
    }
    if (!this.started) return
    const round = this.#machine.round
    // Line 55.
    const skip = this.votes.skipRound(round)
    if (skip !== undefined) yield { type: 'skip', round: skip }
    const held = this.#proposals.get(round)
    if (held !== undefined) {
      const { value } = held.candidate
      const { validRound } = held.proposal
      const valid = this.#candidates.verdict(held.candidate)
      // Line 22. The proposer's name and the time in the header are judged for a fresh value alone.
      if (validRound === null) {
        const fresh = held.timely && equalBytes(held.proposal.header.proposer, held.proposal.validator)
        if (!fresh || valid !== undefined) yield { type: 'proposal', round, value, valid: fresh && valid === true }
      } else if (valid !== undefined && this.votes.quorum('prevote', validRound, value)) {
        // Line 28.
        yield { type: 'proposal-with-polka', round, value, validRound, valid }
      }
      // Line 36.
      if (valid === true && this.votes.quorum('prevote', round, value)) yield { type: 'polka', round, value }
    }
    // Lines 34, 44 and 47. Nil before the timer: a quorum that is there needs no timeout.
    if (this.votes.quorum('prevote', round, null)) yield { type: 'polka-nil', round }
    if (this.votes.quorumAny('prevote', round)) yield { type: 'prevotes-any', round }
    if (this.votes.quorumAny('precommit', round)) yield { type: 'precommits-any', round }
  }

  /** Values that a quorum precommitted, by counted votes or by a certificate. */
  #decisions(): { round: number; value: ValueId }[] {
    const certified = [...this.#certificates].map(([value, { certificate }]) => ({ round: certificate.round, value }))
    return [...certified, ...this.votes.quorums('precommit')]
  }

  /** Asks the application for the verdicts that a clause waits for: the present proposal's, and those of values with a quorum. */
  #validate(): void {
    const held = this.#proposals.get(this.#machine.round)
    const backed = this.#backed()
    for (const candidate of this.#candidates.all()) {
      const { asked, stuck, value, verdict } = candidate
      if (asked || stuck || this.#candidates.valid(value) !== undefined) continue
      if (candidate !== held?.candidate && !backed.has(value)) continue
      if (verdict === false) {
        if (!backed.has(value)) continue
        // A quorum calls valid what this node calls wrong: an honest validator is among them, so this node must look again.
        if (!this.#conflictLogged) this.#log('error', 'verdict-against-quorum', { block: value })
        this.#conflictLogged = true
        candidate.stuck = true
        candidate.verdict = undefined
        continue
      }
      candidate.asked = true
      const { id, header, batches } = candidate
      this.#emit({ type: 'validate', height: this.height, candidate: id, header, batches })
    }
  }

  #backed(): Set<ValueId> {
    return new Set([...this.#decisions(), ...this.votes.quorums('prevote')].map(({ value }) => value))
  }

  /** One step of the machine; whether it changed anything. */
  #feed(input: MachineInput): boolean {
    const { state, outputs } = transition(this.#machine, input)
    const changed = state !== this.#machine || outputs.length > 0
    this.#machine = state
    for (const output of outputs) this.#perform(output)
    return changed
  }

  #perform(output: MachineOutput): void {
    switch (output.type) {
      case 'new-round':
        this.#enterRound(output.round)
        break
      case 'schedule':
        this.#schedule(output.kind, output.round)
        if (output.kind === 'precommit') this.#relayPolka(output.round)
        break
      case 'get-value':
        // Locked by the guard on a value that this life does not know: what it would propose it would not vote for.
        if (this.#machine.lockedValue !== null) break
        this.#emit({ type: 'get-value', height: this.height, round: output.round })
        break
      case 'propose': {
        const candidate = this.#candidates.valid(output.value)
        if (candidate === undefined || this.#self === null) break
        const { header, batches } = candidate
        const validRound = output.validRound === -1 ? null : output.validRound
        const proposal = { height: this.height, round: output.round, validRound, header, batches, validator: this.#self }
        this.#emit({ type: 'sign-proposal', proposal, lock: this.#lock() })
        break
      }
      case 'vote': {
        if (this.#self === null) break
        const { kind, round, value } = output
        // Given again from the guard after a crash: it stands as it is, whatever this life would say.
        if (this.votes.hasVote(kind, round, this.#self)) break
        const vote = { kind, height: this.height, round, block: blockOf(value), validator: this.#self }
        this.#emit({ type: 'sign-vote', vote, lock: this.#lock() })
        break
      }
      case 'decide':
        this.#decide(output.round, output.value)
    }
  }

  #enterRound(round: number): void {
    const { lockedRound, validRound } = this.#machine
    this.votes.enterRound(round, [lockedRound, validRound])
    this.#prune(round)
    if (round > 0) this.#log('info', 'round', { round })
    this.#feed({ type: 'start-round', round, proposer: this.#isSelf(this.proposer(round)) })
    this.#schedule('rebroadcast', round)
    // Work for values that no clause can need now is given back; a later proposal of the same value asks again.
    const backed = this.#backed()
    const held = this.#proposals.get(round)
    for (const candidate of this.#candidates.all()) {
      if (!candidate.asked || candidate === held?.candidate || backed.has(candidate.value)) continue
      candidate.asked = false
      this.#emit({ type: 'abandon', candidate: candidate.id })
    }
  }

  #prune(round: number): void {
    const { lockedRound, validRound } = this.#machine
    for (const r of this.#proposals.keys()) {
      if (r < round - PAST_ROUNDS && r !== lockedRound && r !== validRound) this.#proposals.delete(r)
    }
    this.#candidates.retain(candidate => this.#names(candidate))
  }

  /** Whether a proposal, the lock, the valid value or a certificate names this candidate. */
  #names(candidate: Candidate): boolean {
    const { lockedValue, validValue } = this.#machine
    return (
      candidate.value === validValue ||
      candidate.value === lockedValue ||
      this.#certificates.has(candidate.value) ||
      [...this.#proposals.values()].some(held => held.candidate === candidate)
    )
  }

  /** A proposer's rounds ahead of ours are kept up to a bound, the newest ones. */
  #dropFarProposals(validator: Uint8Array): void {
    const ahead = [...this.#proposals]
      .filter(([round, { proposal }]) => round > this.#machine.round && equalBytes(proposal.validator, validator))
      .map(([round]) => round)
    if (ahead.length <= MAX_FUTURE_ROUNDS) return
    const lowest = Math.min(...ahead)
    const dropped = this.#proposals.get(lowest)?.candidate
    this.#proposals.delete(lowest)
    const backed = this.#backed()
    this.#candidates.retain(candidate => candidate !== dropped || this.#names(candidate) || backed.has(candidate.value))
  }

  #decide(round: number, value: ValueId): void {
    const candidate = this.#candidates.valid(value)
    if (candidate === undefined) return
    const { header, batches } = candidate
    const certificate = this.#certificates.get(value)?.certificate ?? this.#certificate(round, value)
    this.#log('debug', 'decided', { round, block: value })
    this.#emit({ type: 'decide', header, batches, certificate })
  }

  #certificate(round: number, value: ValueId): Certificate {
    const signatures = this.votes
      .votesFor('precommit', round, value)
      .map(({ validator, signature }) => ({ validator, signature }))
      .sort((a, b) => compareBytes(a.validator, b.validator))
    return { height: this.height, round, block: blockOf(value) as Uint8Array, signatures }
  }

  #lock(): LockState {
    const { lockedRound, lockedValue, validRound, validValue } = this.#machine
    return { lockedRound, lockedBlock: blockOf(lockedValue), validRound, validBlock: blockOf(validValue) }
  }

  /**
   * This round has its precommits and no decision. The paper assumes that what one correct process has received all others receive in
   * time; on direct streams a liar can give a polka to one validator alone, lock it, and do so again with another value in the next round, for
   * ever. So who has this round's polka shares it, with its proposal, while the others are still in the round and can take the value as valid.
   */
  #relayPolka(round: number): void {
    const { validRound, validValue } = this.#machine
    if (this.#self === null || validRound !== round || validValue === null) return
    const held = this.#proposals.get(round)
    if (held !== undefined) this.#emit({ type: 'broadcast', message: { type: 'proposal', value: held.proposal } })
    this.#broadcastVotes(this.votes.votesFor('prevote', round, validValue))
  }

  #broadcastVotes(votes: Vote[]): void {
    if (votes.length > 0) this.#emit({ type: 'broadcast', message: bundle(votes) })
  }

  #schedule(kind: Timeout['kind'], round: number): void {
    const times = roundTimeouts(this.#timeouts, round)
    const ms = kind === 'propose' ? times.proposeMs : kind === 'rebroadcast' ? times.rebroadcastMs : times.voteMs
    this.#emit({ type: 'schedule', timeout: { kind, height: this.height, round }, ms })
  }

  #isSelf(validator: Uint8Array): boolean {
    return this.#self !== null && equalBytes(this.#self, validator)
  }

  #emit(effect: Effect): void {
    this.#effects.push(effect)
  }

  #log(
    level: Extract<Effect, { type: 'log' }>['level'],
    event: string,
    fields: Readonly<Record<string, string | number | boolean | null>>,
  ): void {
    this.#emit({ type: 'log', level, event, fields: { height: this.height, ...fields } })
  }
}

function verdict(wanted: boolean): 'apply' | 'known' {
  return wanted ? 'apply' : 'known'
}

function bundle(votes: Vote[]): ConsensusMessage {
  return { type: 'votes', value: votes.slice(0, MAX_BUNDLE_VOTES) }
}

function blockOf(value: ValueId | null): Uint8Array | null {
  return value === null ? null : (parseHex(value) ?? null)
}

/** Whether two proposals say the same; signatures aside. */
function sameProposal(a: Proposal, b: Proposal): boolean {
  const [x, y] = [proposalContent(a), proposalContent(b)]
  return (
    x.height === y.height &&
    x.round === y.round &&
    x.validRound === y.validRound &&
    equalBytes(x.header, y.header) &&
    equalBytes(x.batches, y.batches)
  )
}
