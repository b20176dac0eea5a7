/**
 * Answers challenges of storage audits, two bytes at a time. Only members that validate challenge; each gets at most four different
 * answers about a submission in a day, because a challenge stands on the day's first block, its challenger and one of four nonces.
 */
import { erasureMark } from '../../contracts/records-formats.ts'
import { stateKey } from '../../contracts/state-keys.ts'
import { equalBytes, toHex } from '../../encoding/bytes.ts'
import { EpioneError, errorCode } from '../../encoding/errors.ts'
import { challengeSeed, fingerprint, pickedChunk, pickedLeaf } from '../../fragments/audit.ts'
import type { FragmentKey, FragmentStore } from '../../fragments/fragment-store.ts'
import { type AuditAnswer, type AuditChallenge, auditAnswerCodec, auditChallengeCodec } from '../../network/audit-messages.ts'
import { startDeadline } from '../../network/deadline.ts'
import type { Network } from '../../network/network.ts'
import { PROTOCOL } from '../../network/protocols.ts'
import type { Chain } from '../chain.ts'
import type { Directory } from '../directory.ts'
import type { Logger } from '../logger.ts'
import { servePeer } from '../malformed.ts'
import { ChallengeBlocks } from './audit-period.ts'
import { isLoss } from './damages.ts'
import type { HeldVersion, Submissions } from './submissions.ts'

/** Challenges of one member that are answered within a minute; each reads up to 64 KiB. */
const PER_MINUTE = 600
const MINUTE_MS = 60_000
/** How long a custodian waits for a block that a challenge stands on, in ms. */
const BEHIND_WAIT_MS = 2_000
const TIMEOUT_MS = 10_000
const MAX_STREAMS = 16

/** Codes that say that bytes are not here, or not as they were. */
const LOSSES: ReadonlySet<string> = new Set(['fragment-not-found', 'corrupt-fragment', 'storage-failed', 'forgotten'])

export interface AuditResponderDependencies {
  chain: Chain
  directory: Directory
  network: Pick<Network, 'handle' | 'report'>
  fragments: FragmentStore
  submissions: Submissions
  /** Told of a fragment that turned out to be lost. */
  onCorrupt: (root: Uint8Array, leaf: number) => Promise<void>
  logger: Logger
  now: () => number
}

export class AuditResponder {
  readonly #deps: AuditResponderDependencies
  readonly #blocks: ChallengeBlocks
  /** Challenges of the present minute, by account; validating members alone, so bounded by them. */
  readonly #asked = new Map<string, number>()
  #minute = 0

  constructor(dependencies: AuditResponderDependencies) {
    this.#deps = dependencies
    this.#blocks = new ChallengeBlocks(dependencies.chain)
  }

  async start(): Promise<void> {
    const { network } = this.#deps
    await network.handle(
      PROTOCOL.audit,
      'members',
      async (request, { peer }) => await servePeer(network, peer, async () => await this.#serve(auditChallengeCodec.decode(request), peer)),
      {
        maxRequest: auditChallengeCodec.maxBytes,
        maxResponse: auditAnswerCodec.maxBytes,
        timeoutMs: TIMEOUT_MS,
        maxStreams: MAX_STREAMS,
      },
    )
  }

  async #serve(challenge: AuditChallenge, peer: Uint8Array): Promise<Uint8Array> {
    const { chain, directory } = this.#deps
    if (!equalBytes(challenge.chainId, chain.chainId)) throw new EpioneError('wrong-chain', 'The challenge is for another network.')
    const challenger = directory.byNetworkKey(peer)
    if (challenger === undefined || challenger.organisation.power === 0) {
      throw new EpioneError('not-validator', 'Only members that validate audit custodians.')
    }
    this.#draw(challenger.id)
    return auditAnswerCodec.encode(await this.answer(challenge, challenger.id))
  }

  #draw(account: Uint8Array): void {
    const minute = Math.floor(this.#deps.now() / MINUTE_MS)
    if (minute !== this.#minute) this.#asked.clear()
    this.#minute = minute
    const name = toHex(account)
    const asked = this.#asked.get(name) ?? 0
    if (asked >= PER_MINUTE) throw new EpioneError('busy', `A member is answered at most ${PER_MINUTE} challenges a minute.`)
    this.#asked.set(name, asked + 1)
  }

  /** What this custodian says to a challenge. @throws EpioneError `bad-challenge` */
  async answer(challenge: AuditChallenge, challenger: Uint8Array): Promise<AuditAnswer> {
    const { chain, submissions } = this.#deps
    const { folder, submissionRoot, height, nonce } = challenge
    if (height > chain.tip.header.height) await this.#waitFor(height)
    const block = await this.#blocks.at(height)
    if (block === undefined) throw new EpioneError('bad-challenge', "A challenge stands on the present day's first block.")
    const submission = await submissions.get(submissionRoot)
    if (submission === undefined || !equalBytes(submission.folder, folder)) return { type: 'lost', value: {} }
    const { versions, index } = submission
    const seed = challengeSeed({ block, challenger, submissionRoot, nonce })
    const position = pickedLeaf(seed, versions)
    try {
      const version = await submissions.version(submissionRoot, position)
      const isErased = version === undefined ? await submissions.isErased(submissionRoot, position) : this.#isToBeErased(folder, version)
      if (isErased) return { type: 'erased', value: {} }
      if (version === undefined) return { type: 'lost', value: {} }
      const { size, leaf } = version.meta
      const chunk = await this.#chunk({ dispersalRoot: leaf.dispersalRoot, index }, pickedChunk(seed, size, submission))
      return { type: 'held', value: { versions, size, fingerprint: fingerprint(seed, leaf.dispersalRoot, chunk) } }
    } catch (error) {
      if (!LOSSES.has(errorCode(error))) throw error
      this.#deps.logger.warn({ code: errorCode(error) }, 'an audit found that a fragment is missing or damaged here')
      if (isLoss(error)) await this.#deps.onCorrupt(submissionRoot, position)
      return { type: 'lost', value: {} }
    }
  }

  async #waitFor(height: number): Promise<void> {
    const deadline = startDeadline({ timeoutMs: BEHIND_WAIT_MS })
    await this.#deps.chain.waitAbove(height - 1, { signal: deadline.signal })
    deadline.clear()
  }

  #isToBeErased(folder: Uint8Array, { meta }: HeldVersion): boolean {
    const mark = erasureMark(meta.salt, meta.leaf.recordId, meta.leaf.version)
    return this.#deps.chain.tip.tree.get(stateKey.erasure(folder, mark)) !== undefined
  }

  async #chunk(key: FragmentKey, firstChunk: number): Promise<Uint8Array> {
    for await (const chunk of this.#deps.fragments.read(key, { firstChunk })) return chunk
    throw new EpioneError('corrupt-fragment', 'the fragment has fewer chunks than its version')
  }
}
