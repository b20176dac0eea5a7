/** How transactions get from a peer into every validator's pool: stateless checks, batches, dissemination before ordering. */

import { type AdmissionInput, admission, admit } from '../contracts/admission.ts'
import { isPriority } from '../contracts/contract-registry.ts'
import { verifySignatureAsync } from '../crypto/signature.ts'
import { ownerKeyHash } from '../crypto/wallet.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError, errorCode, MalformedError } from '../encoding/errors.ts'
import { batchCodec, batchDigest } from '../ledger/block.ts'
import { MAX_VALIDITY_MS } from '../ledger/limits.ts'
import { decodeTransaction, hasSignatureShape, signatureChecks, type Transaction } from '../ledger/transaction.ts'
import { lightRequestCodec } from '../network/light-messages.ts'
import type { MemberChannel, Network } from '../network/network.ts'
import { MAX_BATCH_RESPONSE, PROTOCOL } from '../network/protocols.ts'
import { batchRequestCodec, batchResponseCodec } from '../network/validator-messages.ts'
import type { Chain } from './chain.ts'
import type { Directory } from './directory.ts'
import { folderAt } from './folder-facts.ts'
import { HeldTransactions } from './held.ts'
import type { Logger } from './logger.ts'
import { servePeer } from './malformed.ts'
import { Mempool, type PooledBatch } from './mempool.ts'
import { staggered } from './staggered.ts'

/** How far a transaction's end may lie ahead of this node's clock: the ledger's hour, and some for clocks that differ. */
const VALIDITY_SLACK_MS = 10_000
/** How long a fetch of a missing batch may take from one peer, in ms. */
const FETCH_TIMEOUT_MS = 2_000
/**
 * After which the next peer is asked as well, in ms. One that died without a word stays connected for some 15 s; were it waited
 * for with each batch of a proposal, a validator that comes back and lacks many would miss round after round.
 */
const FETCH_PATIENCE_MS = 150
/**
 * Missing batches of one block that are fetched at once. A peer serves 32; asked for more it refuses, and after an outage, when a
 * proposal names a hundred batches, the refusals would take longer than the round.
 */
const FETCHES_AT_ONCE = 16
/** After which a transaction is handed to the next validator as well, in ms: to have it twice does no harm. */
const FORWARD_PATIENCE_MS = 500
/** Pause before a node that does not validate hands its transactions on again, in ms. */
const FORWARD_RETRY_MS = 500

export interface TransactionServiceOptions {
  /**
   * Consensus key of this node, or null where it never validates. Whether it validates at present follows from the ledger: with
   * a key that no set of validators holds, it hands its transactions to those who do.
   */
  validatorKey: Uint8Array | null
}

export interface TransactionServiceDependencies {
  chain: Chain
  directory: Directory
  network: Network
  logger: Logger
  now: () => number
  /** There is something to propose. */
  onWork: () => void
}

export class TransactionService {
  readonly pool = new Mempool()
  readonly #options: TransactionServiceOptions
  readonly #deps: TransactionServiceDependencies
  #channel: MemberChannel | undefined
  /** Validators that were late with an answer, and have given none since: they are asked last. */
  readonly #late = new Set<string>()
  readonly #held: HeldTransactions
  #cutting = false
  readonly #ended = new AbortController()
  #stopCommits: (() => void) | undefined
  #retry: NodeJS.Timeout | undefined

  constructor(options: TransactionServiceOptions, dependencies: TransactionServiceDependencies) {
    this.#options = options
    this.#deps = dependencies
    this.#held = new HeldTransactions({ submit: async bytes => await this.submit(bytes), logger: dependencies.logger })
  }

  async start(): Promise<void> {
    const { network, chain } = this.#deps
    this.#stopCommits = chain.onCommit(({ candidate }) => {
      this.pool.settle(candidate.transactions)
      this.#dropFormerValidators()
      this.#schedule()
    })
    if (this.#options.validatorKey === null) return
    this.#channel = network.openChannel(PROTOCOL.batches, async (frame, peer) => await this.#receive(frame, peer), {
      maxFrame: MAX_BATCH_RESPONSE,
    })
    await network.handle(
      PROTOCOL.batch,
      'members',
      async (request, { peer }) =>
        await servePeer(network, peer, async () => {
          const batch = this.pool.batch(batchRequestCodec.decode(request).digest)
          if (batch === undefined) throw new EpioneError('not-found', 'This batch is not held here.')
          return batchResponseCodec.encode({ batch: batch.bytes })
        }),
      { maxRequest: 64, maxResponse: MAX_BATCH_RESPONSE, timeoutMs: FETCH_TIMEOUT_MS, maxStreams: 32 },
    )
  }

  stop(): void {
    this.#ended.abort(new EpioneError('stopped', 'The node stops.'))
    this.#held.stop()
    this.#stopCommits?.()
    if (this.#retry !== undefined) clearTimeout(this.#retry)
  }

  /**
   * Takes a transaction from a peer or from this node's own desk. What the ledger would refuse as it stands is refused here,
   * with the same code: a receipt of an error costs everybody space, and a stranger nothing. So is an act whose author
   * comes only with a block that was not applied here yet; who waits for receipts does not meet that.
   * With `holdMs` it is kept that long before it goes on.
   * @throws EpioneError `malformed`, `wrong-chain`, `bad-signature`, `expired`, `too-far-ahead`, `busy`, and the codes of `admit`
   */
  async submit(bytes: Uint8Array, { holdMs = 0 }: { holdMs?: number } = {}): Promise<Uint8Array> {
    const transaction = decodeTransaction(bytes)
    this.#checkBounds(transaction)
    if (!(await this.#signed(transaction))) throw new EpioneError('bad-signature', 'A signature of the transaction does not fit.')
    if (this.#isSeen(transaction) || this.pool.has(transaction)) return transaction.id
    admit(this.#deps.chain.tip.tree, transaction, this.#admissionInput(transaction))
    if (holdMs > 0) {
      if (transaction.content.validUntil < this.#deps.now() + holdMs)
        throw new EpioneError('expired', 'The transaction would expire while it is held back.')
      this.#held.add(transaction, holdMs)
      return transaction.id
    }
    this.#enqueue(transaction)
    this.#schedule()
    return transaction.id
  }

  #isSeen(transaction: Transaction): boolean {
    const { chain } = this.#deps
    return chain.seen.has(transaction.id, chain.tip.header.time + 1)
  }

  /** The next block's time is not known; this node's clock is the best guess, and the tip's time the lower bound. */
  #admissionInput({ content }: Transaction): AdmissionInput {
    const { chain, now } = this.#deps
    return { chainId: chain.chainId, timeMs: Math.max(now(), chain.tip.header.time + 1), pending: this.pool.pending(content) }
  }

  /** @throws EpioneError `busy` */
  #enqueue(transaction: Transaction): void {
    this.pool.add(transaction, { priority: this.#goesFirst(transaction) })
  }

  #checkBounds(transaction: Transaction): void {
    const { content } = transaction
    const now = this.#deps.now()
    if (!equalBytes(content.chainId, this.#deps.chain.chainId)) {
      throw new EpioneError('wrong-chain', 'The transaction is for another network.')
    }
    if (!hasSignatureShape(transaction)) throw new EpioneError('bad-signature', 'The transaction lacks a signature that it names.')
    if (content.validUntil < this.#deps.chain.tip.header.time) throw new EpioneError('expired', 'The transaction is no longer valid.')
    if (content.validUntil > now + MAX_VALIDITY_MS + VALIDITY_SLACK_MS) {
      throw new EpioneError(
        'too-far-ahead',
        'The transaction is valid for more than an hour; check the clock of the device that signed it.',
      )
    }
  }

  async #signed(transaction: Transaction): Promise<boolean> {
    const checks = signatureChecks(transaction).map(check => verifySignatureAsync(check.publicKey, check.message, check.signature))
    return (await Promise.all(checks)).every(Boolean)
  }

  get #stopped(): boolean {
    return this.#ended.signal.aborted
  }

  /** Cuts a batch at the end of this turn of the loop, so that what arrives together travels together. */
  #schedule(): void {
    if (this.#cutting || this.#stopped || this.pool.waiting === 0) return
    this.#cutting = true
    setImmediate(() => {
      this.#cutting = false
      if (this.#stopped) return
      const key = this.#options.validatorKey
      if (key !== null && this.#isValidator(key)) this.#cut(key)
      else this.#forward().catch((error: unknown) => this.#deps.logger.error({ code: errorCode(error) }, 'forwarding stopped'))
    })
  }

  /** Whether a key is in one of the sets that sign now or are decided already. */
  #isValidator(key: Uint8Array): boolean {
    const { current, next, decided } = this.#deps.chain.tip.validators
    return [current, next, decided].some(set => set.validators.some(({ publicKey }) => equalBytes(publicKey, key)))
  }

  /** Batches of members that no longer validate leave the pool; what this node itself had cut is handed on instead. */
  #dropFormerValidators(): void {
    const key = this.#options.validatorKey
    for (const batch of this.pool.dropAuthors(author => this.#isValidator(author))) {
      if (key === null || !equalBytes(batch.author, key)) continue
      for (const transaction of batch.transactions) this.#handBack(transaction)
    }
  }

  /** Lets a transaction wait again. Where the pool is full meanwhile, who handed it in hears nothing of it and hands it in again. */
  #handBack(transaction: Transaction): void {
    // One that has expired meanwhile would be refused for ever.
    const { header } = this.#deps.chain.tip
    if (this.#stopped || transaction.content.validUntil < header.time || this.#isSeen(transaction)) return
    try {
      this.#enqueue(transaction)
    } catch (error) {
      this.#deps.logger.warn({ code: errorCode(error) }, 'a transaction that no validator took was dropped')
    }
  }

  #cut(author: Uint8Array): void {
    const priority = (transaction: Transaction): boolean => this.#goesFirst(transaction)
    let cut = this.pool.cutBatch(author, priority)
    while (cut !== undefined) {
      this.#channel?.broadcast(cut.bytes)
      cut = this.pool.cutBatch(author, priority)
    }
    if (this.pool.batches > 0) this.#deps.onWork()
  }

  /** Acts that a patient does without a sponsor go first, if the folder is there and its owner acts: others cannot jump the queue. */
  #goesFirst({ content, signatures }: Transaction): boolean {
    if (!isPriority(content)) return false
    const folder = folderAt(this.#deps.chain.tip.tree, content.from.id)
    const key = signatures[0]?.publicKey
    return folder !== undefined && key !== undefined && equalBytes(folder.ownerKeyHash, ownerKeyHash(key))
  }

  /** A node that does not validate hands its transactions to a validator, to another one where that fails. */
  async #forward(): Promise<void> {
    const { network, logger } = this.#deps
    const waiting = this.pool.takeWaiting()
    for (const transaction of waiting) {
      // The ledger may have moved on since the transaction was taken.
      const code = admission(this.#deps.chain.tip.tree, transaction, this.#admissionInput(transaction))
      if (code !== undefined) {
        logger.debug({ code }, 'a transaction that waited is no longer let in')
        continue
      }
      const request = lightRequestCodec.encode({ type: 'submit', value: { transaction: transaction.bytes, holdMs: 0 } })
      const handed = await this.#askValidators(
        async (peer, signal) =>
          await network.request(peer, PROTOCOL.light, request, { signal, timeoutMs: FETCH_TIMEOUT_MS, maxResponse: 1024 }),
        { afterMs: FORWARD_PATIENCE_MS, signal: this.#ended.signal },
      ).then(
        () => true,
        (error: unknown) => {
          logger.debug({ code: errorCode(error) }, 'no validator took a transaction')
          return false
        },
      )
      if (!handed) this.#handBack(transaction)
    }
    if (this.pool.waiting > 0 && !this.#stopped) this.#retry = setTimeout(() => this.#schedule(), FORWARD_RETRY_MS)
  }

  async #receive(bytes: Uint8Array, peer: Uint8Array): Promise<void> {
    const key = this.#options.validatorKey
    if (key === null || !this.#isValidator(key)) return
    try {
      const batch = await this.#admit(bytes, peer)
      if (this.pool.batch(batch.digest) === undefined)
        this.#deps.logger.debug({ peer: toHex(peer).slice(0, 8) }, 'a validator has more batches open than are held')
    } catch (error) {
      this.#deps.logger.warn({ peer: toHex(peer).slice(0, 8), code: errorCode(error) }, 'refused a batch')
      if (error instanceof MalformedError) this.#deps.network.report(peer, 'malformed')
    }
  }

  /**
   * Checks a batch and takes it into the pool; pushed by `from`, it must be of its own.
   * @throws MalformedError; EpioneError `unknown-author` where its author does not validate, which an honest peer may not know yet
   */
  async #admit(bytes: Uint8Array, from?: Uint8Array): Promise<PooledBatch> {
    const digest = batchDigest(bytes)
    const known = this.pool.batch(digest)
    if (known !== undefined) return known
    const { author, transactions: encoded } = batchCodec.decode(bytes)
    const { chain, directory } = this.#deps
    const member = directory.byConsensusKey(author)
    if (member === undefined || !this.#isValidator(author)) throw new EpioneError('unknown-author', 'The batch is not from a validator.')
    if (from !== undefined && !equalBytes(member.organisation.networkKey, from))
      throw new MalformedError('batch is not from the peer that pushed it')
    const transactions = encoded.map(item => decodeTransaction(item))
    if (transactions.some(({ content }) => !equalBytes(content.chainId, chain.chainId)))
      throw new MalformedError('batch holds a transaction of another network')
    if (!transactions.every(hasSignatureShape)) throw new MalformedError('batch holds a transaction that lacks a signature')
    const signed = await Promise.all(transactions.map(transaction => this.#signed(transaction)))
    if (!signed.every(Boolean)) throw new MalformedError('batch holds a transaction with a wrong signature')
    const batch = { digest, bytes, author, transactions }
    // A batch that comes after the block that took it in is of no more use.
    const done = transactions.every(transaction => chain.seen.has(transaction.id, chain.tip.header.time + 1))
    if (!done && this.pool.addBatch(batch)) this.#deps.onWork()
    return batch
  }

  /** Takes back batches that the consensus log kept over a restart; what is of no use any more is left out. */
  restore(bodies: readonly Uint8Array[]): void {
    for (const bytes of bodies) {
      this.#admit(bytes).catch((error: unknown) => this.#deps.logger.debug({ code: errorCode(error) }, 'a batch was not taken back'))
    }
  }

  /** The batches with these digests, fetched from other validators where they are missing. Rejects when the signal aborts. */
  async gather(digests: readonly Uint8Array[], options: { signal: AbortSignal }): Promise<PooledBatch[]> {
    const gathered: PooledBatch[] = []
    const queue = digests.entries()
    const work = async (): Promise<void> => {
      for (const [index, digest] of queue) gathered[index] = this.pool.batch(digest) ?? (await this.#fetch(digest, options.signal))
    }
    await Promise.all(Array.from({ length: FETCHES_AT_ONCE }, work))
    return gathered
  }

  async #fetch(digest: Uint8Array, signal: AbortSignal): Promise<PooledBatch> {
    for (;;) {
      try {
        const ask = async (peer: Uint8Array, over: AbortSignal): Promise<PooledBatch> => await this.#fetchFrom(peer, digest, over)
        return await this.#askValidators(ask, { afterMs: FETCH_PATIENCE_MS, signal })
      } catch {
        signal.throwIfAborted()
      }
      await new Promise<void>(resolve => setTimeout(resolve, 50))
      signal.throwIfAborted()
      const held = this.pool.batch(digest)
      if (held !== undefined) return held
    }
  }

  /** Asks one connected validator after another, those last that were late before and have not answered since. */
  async #askValidators<T>(
    ask: (peer: Uint8Array, over: AbortSignal) => Promise<T>,
    options: { afterMs: number; signal: AbortSignal },
  ): Promise<T> {
    const peers = this.#deps.network.peers({ membersOnly: true }).filter(({ validator, connected }) => validator && connected)
    const rank = ({ networkKey }: { networkKey: Uint8Array }): number => Number(this.#late.has(toHex(networkKey)))
    return await staggered(
      peers
        .sort((a, b) => rank(a) - rank(b))
        .map(({ networkKey }) => ({
          ask: async over => {
            const answer = await ask(networkKey, over)
            this.#late.delete(toHex(networkKey))
            return answer
          },
          late: () => void this.#late.add(toHex(networkKey)),
        })),
      options,
    )
  }

  async #fetchFrom(peer: Uint8Array, digest: Uint8Array, signal: AbortSignal): Promise<PooledBatch> {
    const { network } = this.#deps
    const held = this.pool.batch(digest)
    if (held !== undefined) return held
    try {
      const answer = await network.request(peer, PROTOCOL.batch, batchRequestCodec.encode({ digest }), {
        signal,
        timeoutMs: FETCH_TIMEOUT_MS,
        maxResponse: MAX_BATCH_RESPONSE,
      })
      const { batch } = batchResponseCodec.decode(answer)
      if (!equalBytes(batchDigest(batch), digest)) throw new MalformedError('batch does not have the digest that was asked for')
      return await this.#admit(batch)
    } catch (error) {
      if (error instanceof MalformedError) network.report(peer, 'lie')
      throw error
    }
  }
}
