/** Serves the light protocol: the ledger's facts with their proofs, submission of transactions, and sponsoring. */

import { delegateRightOf } from '../contracts/contract-registry.ts'
import { counterCodec, genesisCodec } from '../contracts/members-formats.ts'
import { NAMESPACE, stateKey } from '../contracts/state-keys.ts'
import type { SigningKey } from '../crypto/signature.ts'
import { ownerKeyHash } from '../crypto/wallet.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { merkleLeaf, merkleProof } from '../encoding/merkle.ts'
import { submissionLocator } from '../fragments/formats.ts'
import { receiptCodec } from '../ledger/receipt.ts'
import { proveKey, provePrefix } from '../ledger/state-proof.ts'
import { countersign, decodeTransaction, type Transaction, verifyTransaction } from '../ledger/transaction.ts'
import {
  type Commit,
  commitResponseCodec,
  conflictResponseCodec,
  eventsResponseCodec,
  genesisResponseCodec,
  jsonResponseCodec,
  type LightRequest,
  lightRequestCodec,
  locateResponseCodec,
  logResponseCodec,
  MAX_HOLDERS,
  type ProvenReceipt,
  prefixResponseCodec,
  queryResponseCodec,
  receiptResponseCodec,
  signatureResponseCodec,
  sponsorResponseCodec,
  submitResponseCodec,
} from '../network/light-messages.ts'
import type { Network, RequestContext } from '../network/network.ts'
import { MAX_LIGHT_REQUEST, MAX_LIGHT_RESPONSE, PROTOCOL } from '../network/protocols.ts'
import type { Chain } from './chain.ts'
import type { Conflicts } from './conflicts.ts'
import { validatorsAt } from './executor.ts'
import { folderAt, isDelegateAt } from './folder-facts.ts'
import { servePeer } from './malformed.ts'
import type { OwnerSponsor } from './owner-sponsor.ts'
import type { TransactionService } from './transactions.ts'

const REQUEST_TIMEOUT_MS = 30_000
/** How long the DHT is asked, in ms. */
const LOCATE_MS = 3_000
/** Longest part of a log in one answer, in bytes. */
const MAX_LOG_BYTES = 3 * 1024 * 1024

export interface LightServiceOptions {
  /** Account of this node's organisation, and the key that signs for it. */
  account: Uint8Array
  accountKey: SigningKey
}

export interface LightServiceDependencies {
  chain: Chain
  network: Network
  transactions: TransactionService
  /** The node's own report of itself, as JSON. */
  status: () => string
  peers: () => string
  now: () => number
  /** Takes reports of a forked chain. */
  conflicts: Conflicts
  /** Signs for owners that move versions, or need a further folder. */
  owners: OwnerSponsor
}

/** Namespaces whose entries anybody may list whole; of the others only what lies under one folder. */
const PUBLIC: ReadonlySet<number> = new Set([
  NAMESPACE.parameters,
  NAMESPACE.account,
  NAMESPACE.validators,
  NAMESPACE.custodians,
  NAMESPACE.proposal,
  NAMESPACE.conviction,
  NAMESPACE.audit,
  NAMESPACE.clinician,
])

/** What is listed for one folder at a time, to whoever knows its id. */
const OF_FOLDER: ReadonlySet<number> = new Set([
  NAMESPACE.submission,
  NAMESPACE.erasure,
  NAMESPACE.consent,
  NAMESPACE.delegation,
  NAMESPACE.dispute,
  NAMESPACE.emergency,
])

/** No list of folders, owners or logs is given to anybody. @throws EpioneError `not-found` */
function requireNarrow(prefix: Uint8Array): void {
  const isUnderFolder = prefix.length >= 33 && OF_FOLDER.has(prefix[0] as number)
  if (!PUBLIC.has(prefix[0] as number) && !isUnderFolder) throw new EpioneError('not-found', 'There is nothing here under this name.')
}

/** Acts of a folder that a member may be asked to sponsor. */
const SPONSORED: ReadonlySet<string> = new Set(['consents.grant', 'access.open', 'delegations.grant'])
/** Acts for which a delegate of the owner needs a sponsor, and the owner none. */
const SPONSORED_FOR_DELEGATES: ReadonlySet<string> = new Set(['consents.revoke', 'disputes.open', 'disputes.withdraw'])
/** Acts of one folder that are sponsored within an hour, and folders that are remembered for that. */
const SPONSORED_PER_FOLDER = 120
/** Acts for which the opening of a further folder counts: five within an hour at most. */
const OPENED_PER_FOLDER = 20
const MAX_FOLDERS = 100_000
const HOUR_MS = 60 * 60 * 1000

export class LightService {
  readonly #options: LightServiceOptions
  readonly #deps: LightServiceDependencies
  readonly #stop = new AbortController()
  readonly #sponsored = new Map<string, number>()
  #sponsoredHour = 0
  #newestAnswer: { header: Commit['header']; bytes: Uint8Array } | undefined

  constructor(options: LightServiceOptions, dependencies: LightServiceDependencies) {
    this.#options = options
    this.#deps = dependencies
  }

  async start(): Promise<void> {
    await this.#deps.network.handle(
      PROTOCOL.light,
      'anyone',
      async (request, context) =>
        await servePeer(this.#deps.network, context.peer, async () => await this.#answer(lightRequestCodec.decode(request), context)),
      { maxRequest: MAX_LIGHT_REQUEST, maxResponse: MAX_LIGHT_RESPONSE, timeoutMs: REQUEST_TIMEOUT_MS, maxStreams: 64 },
    )
  }

  stop(): void {
    this.#stop.abort()
  }

  async #answer(request: LightRequest, context: RequestContext): Promise<Uint8Array> {
    const { chain, transactions } = this.#deps
    switch (request.type) {
      case 'status':
        return jsonResponseCodec.encode({ json: this.#deps.status() })
      case 'peers':
        return jsonResponseCodec.encode({ json: this.#deps.peers() })
      case 'genesis':
        return genesisResponseCodec.encode({ genesis: genesisCodec.encode(chain.genesis) })
      case 'commit':
        return request.value.height === null ? this.#newest() : commitResponseCodec.encode(await this.#commitAt(request.value.height))
      case 'query': {
        const { commit, tree } = this.#provable(request.value.height, await this.#commitAt(request.value.height))
        return queryResponseCodec.encode({ commit, proofs: request.value.keys.map(key => proveKey(tree, key)) })
      }
      case 'prefix': {
        const { height, prefix, after, limit } = request.value
        requireNarrow(prefix)
        const { commit, tree } = this.#provable(height, await this.#commitAt(height))
        return prefixResponseCodec.encode({ commit, proof: provePrefix(tree, prefix, { after: after ?? undefined, limit }) })
      }
      case 'log':
        return await this.#log(request.value.stream, request.value.from, request.value.limit)
      case 'submit':
        return submitResponseCodec.encode({ transaction: await transactions.submit(request.value.transaction, request.value) })
      case 'receipt':
        return receiptResponseCodec.encode(await this.#receipt(request.value.transaction, request.value.waitMs, context))
      case 'wait': {
        if (chain.tip.header.height <= request.value.height) {
          const release = context.hold()
          try {
            await chain.waitAbove(request.value.height, { signal: this.#waiting(request.value.waitMs, context.signal) })
          } finally {
            release()
          }
        }
        return this.#newest()
      }
      case 'locate':
        return locateResponseCodec.encode({ holders: await this.#locate(request.value, context.signal) })
      case 'conflict':
        return conflictResponseCodec.encode({ accused: await this.#deps.conflicts.take(request.value.first, request.value.second) })
      case 'events':
        return eventsResponseCodec.encode(await this.#events(request.value.folder, request.value.from, request.value.limit))
      case 'sponsor':
        return sponsorResponseCodec.encode({ transaction: this.#sponsor(decodeTransaction(request.value.transaction)).bytes })
      case 'move-ticket': {
        const { move, ticket } = request.value
        const { signature, folder } = this.#deps.owners.ticket(move, ticket, context.peer)
        this.#charge(toHex(folder))
        return signatureResponseCodec.encode({ signature })
      }
      case 'move-anchor': {
        const { move, transaction: bytes, receipts } = request.value
        const { transaction, folder } = this.#deps.owners.anchor(move, bytes, receipts, context.peer)
        this.#charge(toHex(folder))
        return sponsorResponseCodec.encode({ transaction })
      }
      case 'open-folder': {
        const { transaction, folder } = this.#deps.owners.openFolder(request.value, context.peer)
        this.#charge(toHex(folder), OPENED_PER_FOLDER)
        return submitResponseCodec.encode({ transaction: await transactions.submit(transaction, { holdMs: 0 }) })
      }
    }
  }

  /** Bounds what one patient can have sponsored, so that nobody can use up what the organisation's people and other patients need. */
  #charge(folder: string, weight = 1): void {
    const hour = Math.floor(this.#deps.now() / HOUR_MS)
    if (hour !== this.#sponsoredHour || this.#sponsored.size >= MAX_FOLDERS) {
      this.#sponsored.clear()
      this.#sponsoredHour = hour
    }
    const used = this.#sponsored.get(folder) ?? 0
    if (used + weight > SPONSORED_PER_FOLDER)
      throw new EpioneError(
        'over-folder-quota',
        `This organisation sponsors ${SPONSORED_PER_FOLDER} acts of a folder within an hour; try again in the next.`,
      )
    this.#sponsored.set(folder, used + weight)
  }

  #waiting(waitMs: number, signal: AbortSignal): AbortSignal {
    return AbortSignal.any([AbortSignal.timeout(waitMs), signal, this.#stop.signal])
  }

  /** The newest commit as an answer, made once: at each block all that wait for one get it. */
  #newest(): Uint8Array {
    const { header, certificate, validators } = this.#deps.chain.tip
    if (this.#newestAnswer?.header !== header) {
      this.#newestAnswer = { header, bytes: commitResponseCodec.encode({ header, certificate, validators: validators.current }) }
    }
    return this.#newestAnswer.bytes
  }

  /** The commit at a height, or the newest; validators come from the state while that is still provable. */
  async #commitAt(height: number | null): Promise<Commit> {
    const { chain } = this.#deps
    const tip = chain.tip
    if (height === null || height === tip.header.height) {
      return { header: tip.header, certificate: tip.certificate, validators: tip.validators.current }
    }
    if (height > tip.header.height)
      throw new EpioneError('behind', `Height ${height} is not reached here yet; the tip is at ${tip.header.height}.`)
    const stored = await chain.store.header(height)
    if (stored === undefined) throw new EpioneError('not-found', `Height ${height} is not held here; the tip is at ${tip.header.height}.`)
    const tree = chain.store.treeAt(height)
    const validators = tree === undefined ? await this.#validatorsOf(stored.header.validatorsHash) : validatorsAt(tree).current
    return { header: stored.header, certificate: stored.certificate, validators }
  }

  async #validatorsOf(hash: Uint8Array): Promise<Commit['validators']> {
    const set = await this.#deps.chain.validatorSet(hash)
    if (set === undefined) throw new EpioneError('not-found', 'The validators of this height are not held here.')
    return set
  }

  #provable(height: number | null, commit: Commit): { commit: Commit; tree: Chain['tip']['tree'] } {
    const { chain } = this.#deps
    const tree = chain.store.treeAt(commit.header.height)
    if (tree === undefined)
      throw new EpioneError('not-provable', `The state of height ${height ?? commit.header.height} is no longer kept for proofs.`)
    return { commit, tree }
  }

  async #log(stream: Uint8Array, from: number, limit: number): Promise<Uint8Array> {
    const items: Uint8Array[] = []
    let size = 0
    for (const item of await this.#deps.chain.store.logItems(stream, from, limit)) {
      size += item.length
      if (items.length > 0 && size > MAX_LOG_BYTES) break
      items.push(item)
    }
    return logResponseCodec.encode({ items })
  }

  async #receipt(id: Uint8Array, waitMs: number, context: RequestContext) {
    const { chain } = this.#deps
    let signal: AbortSignal | undefined
    let release: (() => void) | undefined
    try {
      for (;;) {
        const height = chain.tip.header.height
        const found = await chain.store.receipt(id)
        if (found !== undefined) {
          return provenReceipt(await this.#commitAt(found.height), await chain.store.receipts(found.height), found.index)
        }
        if (waitMs === 0 || signal?.aborted === true) {
          const { base } = chain.store
          // Who waits asks for what was handed in just now: an hour of blocks is always kept.
          if (waitMs > 0 || base === 1) return null
          throw new EpioneError(
            'pruned',
            `No receipt of this transaction is held here, but those below height ${base} are not kept any more: ask another node.`,
          )
        }
        release ??= context.hold()
        signal ??= this.#waiting(waitMs, context.signal)
        await chain.waitAbove(height, { signal })
      }
    } finally {
      release?.()
    }
  }

  /**
   * Receipts with a folder's events from a number on. None where the folder has no such event yet.
   * @throws EpioneError `pruned` where the state counts it, and its block is not kept
   */
  async #events(folder: Uint8Array, from: number, limit: number): Promise<ProvenReceipt[]> {
    const { store, tip } = this.#deps.chain
    const counted = tip.tree.get(stateKey.folderEvents(folder))
    if (counted === undefined || counterCodec.decode(counted) < from) return []
    const found: ProvenReceipt[] = []
    let next = from
    let size = 0
    for (const height of await store.eventHeights(folder, from, limit)) {
      const receipts = await store.receipts(height)
      const commit = await this.#commitAt(height)
      for (const [index, bytes] of receipts.entries()) {
        const numbers = receiptCodec
          .decode(bytes)
          .events.filter(event => equalBytes(event.subject, folder) && event.index >= from)
          .map(event => event.index)
        if (numbers.length === 0) continue
        size += bytes.length
        if (numbers[0] !== next || found.length === limit || (found.length > 0 && size > MAX_LOG_BYTES)) return this.#notPruned(found, from)
        found.push(provenReceipt(commit, receipts, index))
        next += numbers.length
      }
    }
    return this.#notPruned(found, from)
  }

  #notPruned(found: ProvenReceipt[], from: number): ProvenReceipt[] {
    if (found.length === 0)
      throw new EpioneError('pruned', `The block with event ${from} of this folder is not kept here any more: ask another node.`)
    return found
  }

  /**
   * Asks the DHT for a while; what was found by then is the answer. Of what the ledger does not have in this folder there is none, whether
   * another folder has it or not.
   */
  async #locate(asked: { folder: Uint8Array; submissionRoot: Uint8Array }, contextSignal: AbortSignal): Promise<Uint8Array[]> {
    const root = asked.submissionRoot
    if (this.#deps.chain.tip.tree.get(stateKey.submission(asked.folder, root)) === undefined) return []
    const signal = AbortSignal.any([AbortSignal.timeout(LOCATE_MS), contextSignal, this.#stop.signal])
    const holders: Uint8Array[] = []
    try {
      for await (const holder of this.#deps.network.locate.find(submissionLocator(root), { signal, limit: MAX_HOLDERS }))
        holders.push(holder)
    } catch (error) {
      if (!signal.aborted) throw error
    }
    return holders
  }

  /** Countersigns what a patient does with a folder of this organisation. Bounded for each folder, and by the ledger's quota for all. */
  #sponsor(transaction: Transaction): Transaction {
    const { content } = transaction
    const { chain } = this.#deps
    const refuse = (): never => {
      throw new EpioneError('not-sponsored', 'This organisation sponsors acts on folders of its own records alone.')
    }
    const name = `${content.contract}.${content.action}`
    if (content.from.kind !== 'folder' || !(SPONSORED.has(name) || SPONSORED_FOR_DELEGATES.has(name))) return refuse()
    if (content.sponsor === null || !equalBytes(content.sponsor, this.#options.account)) return refuse()
    const folder = folderAt(chain.tip.tree, content.from.id)
    if (folder === undefined || !equalBytes(folder.author, this.#options.account)) return refuse()
    // For its owner, and who acts for the owner: anybody else would learn whose folder it is, and have the organisation's signature on an act of theirs.
    const signer = transaction.signatures[0]?.publicKey
    if (signer === undefined) return refuse()
    const isOwner = SPONSORED.has(name) && equalBytes(folder.ownerKeyHash, ownerKeyHash(signer))
    const right = delegateRightOf(content)
    const { tree, header } = chain.tip
    if (!isOwner && (right === undefined || !isDelegateAt(tree, content.from.id, signer, right, Math.max(this.#deps.now(), header.time)))) {
      return refuse()
    }
    const signed = countersign(transaction, this.#options.accountKey)
    if (!verifyTransaction(signed)) throw new EpioneError('bad-signature', 'The signature of the transaction does not fit.')
    this.#charge(toHex(content.from.id))
    return signed
  }
}

function provenReceipt(commit: Commit, receipts: readonly Uint8Array[], index: number): ProvenReceipt {
  return {
    commit,
    index,
    count: receipts.length,
    receipt: receipts[index] as Uint8Array,
    proof: merkleProof(receipts.map(merkleLeaf), [index]),
  }
}
