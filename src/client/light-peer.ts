/**
 * A light peer: it keeps no ledger and trusts no node. Every answer about the ledger is checked against a header that a quorum
 * signed, and says at which height and how long ago it was true.
 */

import {
  type Account,
  accountCodec,
  type Custodians,
  counterCodec,
  custodiansCodec,
  type Genesis,
  genesisCodec,
  chainId as genesisId,
  type Parameters,
} from '../contracts/members-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { randomBytes } from '../crypto/random.ts'
import type { SigningKey } from '../crypto/signature.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError, errorCode, MalformedError } from '../encoding/errors.ts'
import { merkleLeaf, verifyMerkleProof } from '../encoding/merkle.ts'
import { type Header, headerHash } from '../ledger/header.ts'
import { onGrid } from '../ledger/instants.ts'
import { type Receipt, receiptCodec } from '../ledger/receipt.ts'
import { verifyKey, verifyPrefix } from '../ledger/state-proof.ts'
import { createTransaction, type Origin, type Transaction } from '../ledger/transaction.ts'
import {
  type Commit,
  commitResponseCodec,
  genesisResponseCodec,
  jsonResponseCodec,
  type LightRequest,
  lightRequestCodec,
  locateResponseCodec,
  logResponseCodec,
  MAX_HOLD_MS,
  MAX_PAGE,
  MAX_QUERY_KEYS,
  MAX_WAIT_MS,
  type ProvenReceipt,
  prefixResponseCodec,
  queryResponseCodec,
  receiptResponseCodec,
  sponsorResponseCodec,
  submitResponseCodec,
} from '../network/light-messages.ts'
import { createNetwork } from '../network/network.ts'
import { MAX_LIGHT_RESPONSE, PROTOCOL } from '../network/protocols.ts'
import { type Conflict, CrossCheck, type CrossCheckOptions, conflictError } from './cross-check.ts'
import { type CallOptions, NodePool, WAIT_TIMEOUT_MS } from './nodes.ts'
import { notFound } from './not-found.ts'
import { Standings } from './standings.ts'
import { type Checkpoint, TrustedHeaders, type Witness } from './trust.ts'

/** How long a transaction of a light peer stays valid, in ms. */
const VALIDITY_MS = 10 * 60 * 1000
/** How long members and custodians are taken from memory before they are asked for again, in ms. */
const DIRECTORY_MS = 10_000
/** How often a list is begun again because the chain outran it. */
const LIST_ATTEMPTS = 5
/** How long nodes may take to follow to a height that another has proven, in ms. */
const FOLLOW_MS = 2_000
/** Most founding organisations' nodes that are asked to vouch for a header. */
const MAX_WITNESSES = 16
/** How long one of them may take, in ms. */
const WITNESS_TIMEOUT_MS = 5_000

export interface LightPeerOptions {
  /** Addresses of one or more nodes. */
  nodes: readonly string[]
  /** The network's genesis document; where it is left out, the first node's is taken on its word and `chainId` should be given. */
  genesis?: Genesis
  /** Id of the chain that is expected. */
  chainId?: Uint8Array
  /** Header to start from instead of genesis: what {@link LightPeer.checkpoint} gave before, or what somebody trusted says. */
  checkpoint?: Checkpoint
  signal?: AbortSignal
  /** Clock, in ms. @default Date.now */
  now?: () => number
  /** How new headers are compared with what nodes of other organisations show; false for not at all. @default from 3 s after the start on, every 30 s, two of them */
  crossCheck?: CrossCheckOptions | false
}

/** When an answer was true. */
export interface AsOf {
  height: number
  /** Time of the block, in ms. */
  time: number
  /** How long ago that was when the answer was read, in ms. */
  ageMs: number
  /** Older than two heartbeats and some drift: the chain stands still or the node withholds blocks. */
  stale: boolean
}

/** A member as the ledger shows it. */
export interface MemberInfo {
  id: Uint8Array
  status: 'active' | 'removed'
  organisation: Account['organisation']
  /** Its signing keys of before. */
  former: Account['former']
}

/** What became of a transaction, proven by the block that holds it. */
export interface Committed {
  status: 'committed'
  height: number
  /** Time of the block, in ms. */
  time: number
  receipt: Receipt
  /** The receipt with the path that leads from it to the block's header, and the header's certificate: what a third party checks by {@link LightPeer.checkProof}. */
  proof: Uint8Array
}

/** A light peer that runs: reads are proven, writes are followed to their receipts. It ends with {@link LightPeer.stop}, or by `await using`. */
export class LightPeer {
  readonly genesis: Genesis
  readonly chainId: Uint8Array
  readonly nodes: NodePool
  readonly now: () => number
  /** What this peer remembers of custodians: who is asked first, and who lied. */
  readonly standings: Standings
  readonly #trust: TrustedHeaders
  readonly #crossCheck: CrossCheck | null
  /** The commit of the highest header that was believed. */
  #newestCommit: Commit | undefined
  #knownMembers: readonly MemberInfo[] | undefined
  #members: { at: number; list: Promise<MemberInfo[]> } | undefined
  #custodians: { at: number; set: Promise<{ height: number; custodians: Custodians }> } | undefined

  /** Use {@link createLightPeer}. */
  constructor(genesis: Genesis, nodes: NodePool, now: () => number, crossCheck: CrossCheckOptions | false = {}) {
    this.genesis = genesis
    this.nodes = nodes
    this.now = now
    this.standings = new Standings(now)
    this.#trust = new TrustedHeaders({ genesis, now, witnesses: async height => await this.#foundersAt(height) })
    this.chainId = this.#trust.chainId
    this.#crossCheck =
      crossCheck === false
        ? null
        : new CrossCheck(crossCheck, {
            nodes,
            now,
            isMember: key => this.#isMember(key),
            judge: async (commit, fetch) => await this.#trust.judge(commit, fetch),
          })
  }

  /** Two blocks of one height that were each signed by a quorum, where witnesses showed such: from then on nothing is believed. */
  get conflict(): Conflict | undefined {
    return this.#crossCheck?.conflict
  }

  /** Comparisons with nodes of other organisations, see {@link LightPeerOptions.crossCheck}; null where there are none. */
  get crossCheck(): CrossCheck | null {
    return this.#crossCheck
  }

  get parameters(): Parameters {
    return this.genesis.parameters
  }

  /** The newest header that is believed; kept, it is where a later peer can start from. */
  checkpoint(): Checkpoint {
    return this.#trust.checkpoint
  }

  /**
   * Believes the header that a checkpoint names, as soon as a node shows it.
   * @throws EpioneError `invalid-header` where nodes show another, `not-found` where none has it
   */
  async startFrom(checkpoint: Checkpoint, options: CallOptions = {}): Promise<Header> {
    const { height } = checkpoint
    return await this.nodes.ask(
      { type: 'commit', value: { height } },
      bytes => this.#trust.anchor(commitResponseCodec.decode(bytes), checkpoint),
      options,
    )
  }

  async stop(): Promise<void> {
    await Promise.all([this.#crossCheck?.stop(), this.nodes.network.stop()])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** The newest header that a node shows, verified. */
  async head(options: CallOptions = {}): Promise<{ header: Header; asOf: AsOf }> {
    const { header } = await this.#newest(
      { type: 'commit', value: { height: null } },
      async bytes => ({ header: await this.#believe(commitResponseCodec.decode(bytes), options) }),
      options,
    )
    return { header, asOf: this.#asOf(header) }
  }

  /** The header of a height, verified. */
  async headerAt(height: number, options: CallOptions = {}): Promise<Header> {
    return await this.nodes.ask(
      { type: 'commit', value: { height } },
      async bytes => await this.#believeAt(commitResponseCodec.decode(bytes), { ...options, height }),
      options,
    )
  }

  /** Believes a commit that came by another way than this peer's own questions, or refuses it. @throws as {@link TrustedHeaders.verify} */
  async verifyCommit(commit: Commit, options: CallOptions = {}): Promise<Header> {
    return await this.#believe(commit, options)
  }

  /** The node's own report of itself: its word, unproven. */
  async status(options: CallOptions = {}): Promise<Record<string, unknown>> {
    return await this.nodes.ask(
      { type: 'status', value: {} },
      bytes => JSON.parse(jsonResponseCodec.decode(bytes).json) as Record<string, unknown>,
      options,
    )
  }

  async peers(options: CallOptions = {}): Promise<Record<string, unknown>> {
    return await this.nodes.ask(
      { type: 'peers', value: {} },
      bytes => JSON.parse(jsonResponseCodec.decode(bytes).json) as Record<string, unknown>,
      options,
    )
  }

  /** Values at keys of the state, each proven present, or absent (null). All are of one height. */
  async read(
    keys: readonly Uint8Array[],
    options: CallOptions & { height?: number } = {},
  ): Promise<{ values: (Uint8Array | null)[]; asOf: AsOf }> {
    if (keys.length > MAX_QUERY_KEYS) throw new EpioneError('too-many-keys', `At most ${MAX_QUERY_KEYS} keys are read at once.`)
    const { header, values } = await this.#newest(
      { type: 'query', value: { height: options.height ?? null, keys: [...keys] } },
      async bytes => {
        const { commit, proofs } = queryResponseCodec.decode(bytes)
        const believed = await this.#believeAt(commit, options)
        if (proofs.length !== keys.length) throw new MalformedError('the node proved another number of keys')
        return { header: believed, values: keys.map((key, i) => verifyKey(believed.stateRoot, key, proofs[i] as (typeof proofs)[number])) }
      },
      options,
    )
    return { values, asOf: this.#asOf(header) }
  }

  /** A node's answer, checked, that proves what is at keys of the newest state: for who wants to check it later. */
  async prove(keys: readonly Uint8Array[], options: CallOptions = {}): Promise<Uint8Array> {
    const { proof } = await this.#newest(
      { type: 'query', value: { height: null, keys: [...keys] } },
      async bytes => {
        const { commit, proofs } = queryResponseCodec.decode(bytes)
        const header = await this.#believe(commit, options)
        if (proofs.length !== keys.length) throw new MalformedError('the node proved another number of keys')
        for (const [i, key] of keys.entries()) verifyKey(header.stateRoot, key, proofs[i] as (typeof proofs)[number])
        return { header, proof: bytes }
      },
      options,
    )
    return proof
  }

  async readOne(key: Uint8Array, options: CallOptions = {}): Promise<Uint8Array | null> {
    return (await this.read([key], options)).values[0] ?? null
  }

  /** Everything under a prefix, proven complete, from one height. */
  async list(prefix: Uint8Array, options: CallOptions = {}): Promise<{ entries: [Uint8Array, Uint8Array][]; asOf: AsOf }> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#listOnce(prefix, options)
      } catch (error) {
        // The chain moved on by more roots than stay provable while pages were read: begin again at the newest.
        if (errorCode(error) !== 'not-provable' || attempt === LIST_ATTEMPTS) throw error
        options.signal?.throwIfAborted()
      }
    }
  }

  async #listOnce(prefix: Uint8Array, options: CallOptions): Promise<{ entries: [Uint8Array, Uint8Array][]; asOf: AsOf }> {
    const entries: [Uint8Array, Uint8Array][] = []
    let header: Header | undefined
    for (;;) {
      const after: Uint8Array | undefined = entries.at(-1)?.[0]
      const page = await this.#newest(
        { type: 'prefix', value: { height: header?.height ?? null, prefix, after: after ?? null, limit: MAX_PAGE } },
        async bytes => {
          const { commit, proof } = prefixResponseCodec.decode(bytes)
          const believed = await this.#believeAt(commit, { ...options, height: header?.height })
          return { header: believed, ...verifyPrefix(believed.stateRoot, prefix, proof, after === undefined ? {} : { after }) }
        },
        { ...options, height: header?.height },
      )
      header = page.header
      entries.push(...page.entries)
      if (page.complete) return { entries, asOf: this.#asOf(header) }
      if (page.entries.length === 0) throw new MalformedError('the node gave an empty page that is not the last')
    }
  }

  /**
   * Items of a log from an index on. They come without a proof: `read` checks them against what is proven (the log's head, an
   * entry's id) and throws `invalid-proof` where they do not hold, upon which another node is asked.
   */
  async log<T>(
    stream: Uint8Array,
    from: number,
    read: (items: Uint8Array[]) => T,
    options: CallOptions & { limit?: number } = {},
  ): Promise<T> {
    const limit = options.limit ?? MAX_PAGE
    return await this.nodes.ask(
      { type: 'log', value: { stream, from, limit } },
      bytes => read(logResponseCodec.decode(bytes).items),
      options,
    )
  }

  /** Waits until the chain is above a height, or some time has passed; gives the newest header. */
  async waitAbove(height: number, options: CallOptions = {}): Promise<Header> {
    return await this.nodes.ask(
      { type: 'wait', value: { height, waitMs: MAX_WAIT_MS } },
      async bytes => await this.#believe(commitResponseCodec.decode(bytes), options),
      { ...options, timeoutMs: WAIT_TIMEOUT_MS },
    )
  }

  /** Members that say they hold fragments of a submission, as a node finds them in the DHT. Hints: nothing of it is proven. */
  async locate(folder: Uint8Array, submissionRoot: Uint8Array, options: CallOptions = {}): Promise<MemberInfo[]> {
    const holders = await this.nodes.ask(
      { type: 'locate', value: { folder, submissionRoot } },
      bytes => locateResponseCodec.decode(bytes).holders,
      options,
    )
    const members = await this.members(options)
    return members.filter(
      ({ status, organisation }) => status === 'active' && holders.some(holder => equalBytes(holder, organisation.networkKey)),
    )
  }

  /** Prepares and signs an act. */
  sign(
    input: { from: Origin; contract: string; action: string; body: Uint8Array; sponsor?: Uint8Array | null },
    key: SigningKey,
  ): Transaction {
    return createTransaction(
      {
        chainId: this.chainId,
        validUntil: onGrid(this.now() + VALIDITY_MS),
        nonce: randomBytes(16),
        sponsor: input.sponsor ?? null,
        from: input.from,
        contract: input.contract,
        action: input.action,
        body: input.body,
      },
      key,
    )
  }

  /** Has a member countersign an act. */
  async sponsor(transaction: Transaction, sponsor: Uint8Array, options: CallOptions = {}): Promise<Uint8Array> {
    const answer = await this.askMember(sponsor, { type: 'sponsor', value: { transaction: transaction.bytes } }, options)
    return sponsorResponseCodec.decode(answer).transaction
  }

  /** Asks the node of one organisation, and no other. */
  async askMember(member: Uint8Array, request: LightRequest, options: CallOptions = {}): Promise<Uint8Array> {
    const { organisation } = await this.member(member, options)
    return await this.nodes.request(organisation.networkKey, PROTOCOL.light, lightRequestCodec.encode(request), {
      ...options,
      maxResponse: MAX_LIGHT_RESPONSE,
    })
  }

  /**
   * Hands a signed transaction to a node and waits until it is final; on another node where the first does not answer.
   * @throws EpioneError with the ledger's code where the transaction was refused; `not-committed` where it did not become
   * final in time: it may still do so until it expires
   */
  async submit(transaction: { id: Uint8Array; bytes: Uint8Array }, options: CallOptions = {}): Promise<Committed> {
    await this.#handIn(transaction, 0, options)
    return await this.outcome(transaction.id, options)
  }

  /**
   * Hands a signed transaction to a node that keeps it for `holdMs` (ms, at most {@link MAX_HOLD_MS}) before it goes on, so that acts which need not come
   * at once do not come together. It is final when {@link outcome} says so; a node that stops meanwhile forgets it.
   */
  async submitLater(transaction: { id: Uint8Array; bytes: Uint8Array }, holdMs: number, options: CallOptions = {}): Promise<void> {
    await this.#handIn(transaction, Math.min(holdMs, MAX_HOLD_MS), options)
  }

  async #handIn(transaction: { bytes: Uint8Array }, holdMs: number, options: CallOptions): Promise<void> {
    const request: LightRequest = { type: 'submit', value: { transaction: transaction.bytes, holdMs } }
    await this.nodes.ask(request, bytes => submitResponseCodec.decode(bytes), options)
  }

  /** Waits for what becomes of a transaction that was handed in before. */
  async outcome(id: Uint8Array, options: CallOptions = {}): Promise<Committed> {
    const until = this.now() + (options.timeoutMs ?? 30_000)
    while (this.now() < until) {
      const found = await this.nodes.ask(
        { type: 'receipt', value: { transaction: id, waitMs: Math.max(0, Math.min(MAX_WAIT_MS, until - this.now())) } },
        async bytes => {
          const response = receiptResponseCodec.decode(bytes)
          if (response === null) return undefined
          const { header, receipt } = await this.checkReceipt(response, options)
          if (!equalBytes(receipt.transaction, id)) throw new EpioneError('invalid-proof', 'The receipt is for another transaction.')
          return { status: 'committed' as const, height: header.height, time: header.time, receipt, proof: bytes }
        },
        { signal: options.signal, timeoutMs: WAIT_TIMEOUT_MS },
      )
      // The node may be cut off, or keep the block to itself.
      if (found === undefined) this.nodes.passOver()
      else {
        if (found.receipt.code === 'ok') return found
        if (found.receipt.code === 'not-found' || found.receipt.code === 'unknown-owner') throw notFound()
        throw new EpioneError(found.receipt.code, `The ledger refused this: ${found.receipt.code}.`, { metadata: { height: found.height } })
      }
    }
    throw new EpioneError(
      'not-committed',
      'The transaction did not become final in time; the network may lack a quorum. `epione status` says who is missing.',
    )
  }

  /** A receipt that the block which it comes with is proven to hold. @throws EpioneError `invalid-proof` */
  async checkReceipt(proven: ProvenReceipt, options: CallOptions = {}): Promise<{ header: Header; receipt: Receipt }> {
    const { commit, count, index, receipt, proof } = proven
    const header = await this.#believe(commit, options)
    if (!verifyMerkleProof(header.receiptsRoot, count, index, merkleLeaf(receipt), proof)) {
      throw new EpioneError('invalid-proof', 'The receipt is not in the block that the node names.')
    }
    return { header, receipt: receiptCodec.decode(receipt) }
  }

  /** Checks the proof of a transaction that somebody else has handed in. @throws EpioneError `invalid-proof`, `malformed`, and as `verifyCommit` */
  async checkProof(proof: Uint8Array, options: CallOptions = {}): Promise<Committed> {
    const response = receiptResponseCodec.decode(proof)
    if (response === null) throw new EpioneError('invalid-proof', 'This proves nothing: no block holds the transaction.')
    const { header, receipt } = await this.checkReceipt(response, options)
    return { status: 'committed', height: header.height, time: header.time, receipt, proof }
  }

  /** All members, proven complete; remembered for some seconds. */
  async members(options: CallOptions = {}): Promise<MemberInfo[]> {
    if (this.#members === undefined || this.now() - this.#members.at > DIRECTORY_MS) {
      const list = this.list(stateKey.accounts(), options).then(({ entries }) =>
        entries.map(([key, value]) => {
          const { status, organisation, former } = accountCodec.decode(value)
          return { id: key.slice(1), status, organisation, former }
        }),
      )
      this.#members = { at: this.now(), list }
      list.then(
        members => {
          this.#knownMembers = members.filter(({ status }) => status === 'active')
        },
        () => {
          this.#members = undefined
        },
      )
    }
    return await this.#members.list
  }

  async member(id: Uint8Array, options: CallOptions = {}): Promise<MemberInfo> {
    const found = (await this.members(options)).find(member => equalBytes(member.id, id))
    if (found === undefined) throw new EpioneError('unknown-member', 'The network has no member with this id.')
    return found
  }

  /** The newest set of custodians and the height from which it stands. */
  async custodians(options: CallOptions = {}): Promise<{ height: number; custodians: Custodians }> {
    if (this.#custodians === undefined || this.now() - this.#custodians.at > DIRECTORY_MS) {
      const set = (async () => {
        const height = counterCodec.decode(present(await this.readOne(stateKey.custodiansHeight(), options)))
        return { height, custodians: await this.custodiansAt(height, options) }
      })()
      this.#custodians = { at: this.now(), set }
      set.catch(() => {
        this.#custodians = undefined
      })
    }
    return await this.#custodians.set
  }

  async custodiansAt(height: number, options: CallOptions = {}): Promise<Custodians> {
    return custodiansCodec.decode(present(await this.readOne(stateKey.custodians(height), options)))
  }

  /**
   * Asks for the newest state. A node that shows less than is proven already, or what is stale, is passed over for another. Where
   * all are stale, the newest of their answers is given and says how old it is; where all are behind, they get a moment to follow.
   * @throws EpioneError `stale` where no node shows as much as was proven before
   */
  async #newest<T extends { header: Header }>(
    request: LightRequest,
    read: (bytes: Uint8Array) => Promise<T>,
    options: CallOptions & { height?: number },
  ): Promise<T> {
    if (options.height !== undefined) return await this.nodes.ask(request, read, options)
    const known = this.#trust.newest.height
    for (let attempt = 0; ; attempt++) {
      const shown: T[] = []
      try {
        return await this.nodes.ask(
          request,
          async (bytes, node) => {
            const result = await read(bytes)
            if (this.#newestCommit?.header === result.header) this.#crossCheck?.consider(this.#newestCommit, node)
            if (result.header.height >= known && !this.#asOf(result.header).stale) return result
            shown.push(result)
            throw new EpioneError('stale', 'The nodes that answer show an older state than the network has reached.')
          },
          options,
        )
      } catch (error) {
        options.signal?.throwIfAborted()
        const best = shown.sort((a, b) => b.header.height - a.header.height)[0]
        if (best !== undefined && best.header.height >= known) return best
        if (best === undefined || attempt > 0) throw error
        await this.nodes.ask({ type: 'wait', value: { height: known - 1, waitMs: FOLLOW_MS } }, () => undefined, options)
      }
    }
  }

  async #believe(commit: Commit, options: CallOptions): Promise<Header> {
    const { conflict } = this
    if (conflict !== undefined) throw conflictError(conflict)
    const header = await this.#trust.verify(commit, async height => await this.#commitAt(height, options))
    if (header.height >= (this.#newestCommit?.header.height ?? 0)) this.#newestCommit = commit
    return header
  }

  #isMember(networkKey: Uint8Array): boolean {
    const known = [...this.genesis.organisations, ...(this.#knownMembers ?? []).map(({ organisation }) => organisation)]
    return known.some(organisation => equalBytes(organisation.networkKey, networkKey))
  }

  async #believeAt(commit: Commit, options: CallOptions & { height?: number }): Promise<Header> {
    if (options.height !== undefined && commit.header.height !== options.height)
      throw new MalformedError('the node answered for another height')
    return await this.#believe(commit, options)
  }

  async #commitAt(height: number, options: CallOptions): Promise<Commit> {
    return await this.nodes.ask({ type: 'commit', value: { height } }, bytes => commitResponseCodec.decode(bytes), options)
  }

  /** What the founding organisations' nodes show at a height, each asked for itself. */
  async #foundersAt(height: number): Promise<Witness[]> {
    return await this.#shownAt(height, key => this.genesis.organisations.some(({ networkKey }) => equalBytes(networkKey, key)))
  }

  /** What members' nodes show at a height, sixteen at most, each asked for itself: their word, unverified. */
  async witnesses(height: number, options: CallOptions = {}): Promise<Witness[]> {
    await this.members(options)
    return await this.#shownAt(height, key => this.#isMember(key), options)
  }

  async #shownAt(height: number, wanted: (key: Uint8Array) => boolean, options: CallOptions = {}): Promise<Witness[]> {
    await this.nodes.learn().catch(() => undefined)
    const shown = await this.nodes.each(
      wanted,
      async ask => {
        const commit = async (): Promise<Header> => commitResponseCodec.decode(await ask({ type: 'commit', value: { height } })).header
        // The header may have reached this node a moment later than the one that showed it first.
        const header = await commit().catch(async error => {
          if (errorCode(error) !== 'not-found' && errorCode(error) !== 'behind') throw error
          await ask({ type: 'wait', value: { height: Math.max(0, height - 1), waitMs: FOLLOW_MS } })
          return await commit()
        })
        if (header.height !== height) throw new MalformedError('the node answered for another height')
        return headerHash(header)
      },
      { signal: options.signal, timeoutMs: WITNESS_TIMEOUT_MS, limit: MAX_WITNESSES },
    )
    return shown.map(({ key, answer }) => ({ networkKey: key, headerHash: answer }))
  }

  #asOf(header: Header): AsOf {
    const ageMs = Math.max(0, this.now() - header.time)
    return { height: header.height, time: header.time, ageMs, stale: ageMs > staleAfterMs(this.parameters) }
  }
}

/** Age above which an answer is called stale: two heartbeats and the drift of clocks, in ms. */
export function staleAfterMs(parameters: Parameters): number {
  return 2 * parameters.heartbeatMs + 15_000
}

function present(value: Uint8Array | null): Uint8Array {
  if (value === null) throw new MalformedError('the state lacks an entry that every state has')
  return value
}

/** Starts a light peer: connects, fetches or takes the genesis document, and is ready to ask. */
export async function createLightPeer(options: LightPeerOptions): Promise<LightPeer> {
  const network = await createNetwork({ privateKeySeed: randomBytes(32), listen: [], mode: 'light', gossip: false }, {})
  await network.start()
  try {
    const nodes = new NodePool(network, options.nodes)
    const genesis = options.genesis ?? (await fetchGenesis(nodes, options))
    if (options.genesis !== undefined) requireChain(genesis, options.chainId)
    const peer = new LightPeer(genesis, nodes, options.now ?? Date.now, options.crossCheck)
    if (options.checkpoint !== undefined) await peer.startFrom(options.checkpoint, { signal: options.signal })
    return peer
  } catch (error) {
    await network.stop()
    throw error
  }
}

async function fetchGenesis(nodes: NodePool, options: LightPeerOptions): Promise<Genesis> {
  return await nodes.ask(
    { type: 'genesis', value: {} },
    bytes => requireChain(genesisCodec.decode(genesisResponseCodec.decode(bytes).genesis), options.chainId),
    { signal: options.signal },
  )
}

/** The document, where it is of the chain that is expected. @throws EpioneError `other-chain` */
function requireChain(genesis: Genesis, expected: Uint8Array | undefined): Genesis {
  if (expected !== undefined && !equalBytes(expected, genesisId(genesis))) {
    throw new EpioneError('other-chain', 'The node is of another network than the one that was asked for.')
  }
  return genesis
}

/** Name of a folder's access log among the log streams. */
export function accessLogStream(folder: Uint8Array): Uint8Array {
  return stateKey.accessLog(folder)
}
