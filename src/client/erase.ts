/** Erasure by the folder's owner: the order on the ledger, and the custodians' signed receipts that it is carried out. */

import { signedByAt } from '../contracts/member-signatures.ts'
import { eraseBodyCodec, erasureCodec } from '../contracts/records-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { type ErasureReceipt, erasureReceiptBytes, erasureReceiptCodec } from '../fragments/formats.ts'
import { erasuresResponseCodec, folderRequestCodec, MAX_ERASURE_MARKS } from '../network/light-messages.ts'
import { MAX_LIGHT_RESPONSE, PROTOCOL } from '../network/protocols.ts'
import { markOf, proveErasures } from './erased.ts'
import { signAsk } from './folder-ask.ts'
import { folderOwnerKey, type OwnedFolder, type Wallet } from './folders.ts'
import { type ListedVersion, type Listing, readVersions } from './get.ts'
import type { AsOf, Committed, LightPeer, MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { notFound } from './not-found.ts'
import { possibleHolders } from './possible-holders.ts'
import type { Session } from './session.ts'
import { sleep } from './sleep.ts'

/** Most marks of one order. */
const MARKS_PER_ORDER = 1000
/** How long custodians are given to carry an order out, in ms, unless asked otherwise. */
const WAIT_MS = 20_000
/** First and longest pause between two questions to a custodian, in ms. */
const PAUSE_MS = { first: 200, longest: 2_000 }
/** How long one custodian may take to answer, in ms. */
const ANSWER_MS = 10_000

/** What to erase of a folder. */
export type ErasureSelection =
  | { readonly records: readonly { recordId: Uint8Array; version?: number }[] }
  | { readonly submissions: readonly Uint8Array[] }
  | { readonly all: true }

/**
 * The versions that a selection means, from the owner's list. With a part of a Bundle goes the manifest, too: it holds a digest of the
 * whole, by which somebody who may read the rest could guess at what was erased. The rest reads as a collection then.
 * @throws EpioneError `not-found`; `too-few-custodians` where the list may lack something of what is meant
 */
export async function versionsToErase(
  peer: LightPeer,
  session: Session,
  { versions, incomplete }: Listing,
  selection: ErasureSelection,
  options: CallOptions = {},
): Promise<{ versions: ListedVersion[]; manifests: ListedVersion[] }> {
  const doubtful =
    'submissions' in selection ? incomplete.filter(({ root }) => selection.submissions.some(one => equalBytes(one, root))) : incomplete
  const isExact = 'records' in selection && selection.records.every(({ version }) => version !== undefined)
  if (doubtful.length > 0 && !isExact) {
    throw new EpioneError('too-few-custodians', 'Too few custodians answered to say what there is to erase; try again later.', {
      metadata: { submissions: doubtful.length },
    })
  }
  const chosen = versions.filter(one => isMeant(one, selection))
  if (chosen.length === 0) throw notFound()
  const manifests: ListedVersion[] = []
  for (const version of versions) {
    const isTouched = chosen.some(({ submission }) => equalBytes(submission.root, version.submission.root))
    // A manifest is written behind the resources, as administrative; only its header tells it from a resource.
    const mayBeManifest = version.leaf > 0 && version.leaf === version.total - 1 && version.class === 'administrative'
    if (!isTouched || !mayBeManifest || chosen.includes(version)) continue
    for await (const { header } of readVersions(peer, session, [version], options)) if (header.kind === 'manifest') manifests.push(version)
  }
  return { versions: chosen, manifests }
}

function isMeant({ recordId, version, submission }: ListedVersion, selection: ErasureSelection): boolean {
  if ('all' in selection) return true
  if ('submissions' in selection) return selection.submissions.some(root => equalBytes(root, submission.root))
  return selection.records.some(one => equalBytes(one.recordId, recordId) && (one.version ?? version) === version)
}

/** A custodian's signed receipt, checked. */
export interface ReceivedErasure {
  readonly custodian: MemberInfo
  readonly receipt: ErasureReceipt
  readonly signature: Uint8Array
}

/** A custodian that has not signed for everything. */
export interface Laggard {
  readonly custodian: MemberInfo
  /** Marks for which its receipt is missing. */
  readonly missing: number
  /** `pending` where it answers and is not through yet; else why it did not answer, or why its answer does not hold. */
  readonly code: string
}

export interface ErasureStatus {
  /** `erased` once every custodian that may hold something has signed for every mark. */
  readonly status: 'erased' | 'pending'
  readonly marks: readonly { mark: Uint8Array; height: number }[]
  readonly receipts: readonly ReceivedErasure[]
  readonly laggards: readonly Laggard[]
  /** Height and age of the state that proves the orders; null where none was asked for. */
  readonly asOf: AsOf | null
}

export interface Erasure extends ErasureStatus {
  /** The orders, final on the ledger. None where everything had been ordered before. */
  readonly committed: readonly Committed[]
}

export interface ErasureProgress {
  phase: 'ordering' | 'collecting'
  /** Versions ordered, or custodians that have signed for everything. */
  done: number
  total: number
}

export interface ErasureOptions extends CallOptions {
  /** How long to wait for custodians, in ms. @default 20,000 */
  waitMs?: number
  onProgress?: (progress: ErasureProgress) => void
}

/**
 * Has versions erased for good: the order is signed with the folder's owner key and needs no sponsor, so that nobody can stand in its
 * way. From its height on no honest custodian gives them out; within moments each destroys them and signs for it. What was ordered
 * before is not ordered again, so that an erasure that was interrupted goes on where it was.
 * @throws EpioneError what the ledger refuses: `quota-exceeded` where the folder ordered too often within the hour
 */
export async function eraseRecords(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  versions: readonly ListedVersion[],
  options: ErasureOptions = {},
): Promise<Erasure> {
  const marks = [...new Map(versions.map(version => [toHex(markOf(version)), markOf(version)])).values()]
  const before = new Set((await proveErasures(peer, owned.id, marks, options)).map(({ mark }) => toHex(mark)))
  const missing = marks.filter(mark => !before.has(toHex(mark)))
  const committed: Committed[] = []
  for (let at = 0; at < missing.length; at += MARKS_PER_ORDER) {
    options.onProgress?.({ phase: 'ordering', done: at, total: missing.length })
    const body = eraseBodyCodec.encode({ marks: missing.slice(at, at + MARKS_PER_ORDER) })
    const from = { kind: 'folder' as const, id: owned.id }
    const order = peer.sign({ from, contract: 'records', action: 'erase', body }, folderOwnerKey(wallet, owned))
    committed.push(await peer.submit(order, options))
  }
  return { ...(await erasureStatus(peer, wallet, owned, { ...options, marks })), committed }
}

/**
 * How far the erasures of a folder are: of these marks, or of all that the ledger has. Every active member with capacity is asked, for
 * fragments may have moved, and those former members that had a place in the folder's submissions.
 */
export async function erasureStatus(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  options: ErasureOptions & { marks?: readonly Uint8Array[] } = {},
): Promise<ErasureStatus> {
  const { marks, asOf } =
    options.marks === undefined ? await allMarks(peer, owned.id, options) : await orderedMarks(peer, owned.id, options.marks, options)
  const custodians = await possibleHolders(peer, owned.id, options)
  const asked = custodians.map(custodian => new Asked(custodian, marks))
  const until = peer.now() + (options.waitMs ?? WAIT_MS)
  for (let pause = PAUSE_MS.first; ; pause = Math.min(2 * pause, PAUSE_MS.longest)) {
    await Promise.all(asked.filter(one => one.missing.size > 0).map(async one => await one.ask(peer, wallet, owned, options)))
    const done = asked.filter(one => one.missing.size === 0).length
    options.onProgress?.({ phase: 'collecting', done, total: asked.length })
    if (done === asked.length || peer.now() + pause >= until) break
    await sleep(pause, options.signal)
  }
  const laggards = asked.flatMap(({ custodian, missing, code }) => (missing.size === 0 ? [] : [{ custodian, missing: missing.size, code }]))
  const receipts = asked.flatMap(one => one.receipts)
  return { status: laggards.length === 0 ? 'erased' : 'pending', marks, receipts, laggards, asOf }
}

interface OrderedMarks {
  marks: { mark: Uint8Array; height: number }[]
  asOf: AsOf | null
}

async function allMarks(peer: LightPeer, folder: Uint8Array, options: CallOptions): Promise<OrderedMarks> {
  const { entries, asOf } = await peer.list(stateKey.erasures(folder), options)
  return { marks: entries.map(([key, value]) => ({ mark: key.slice(33), height: erasureCodec.decode(value) })), asOf }
}

async function orderedMarks(
  peer: LightPeer,
  folder: Uint8Array,
  marks: readonly Uint8Array[],
  options: CallOptions,
): Promise<OrderedMarks> {
  const proven = await proveErasures(peer, folder, marks, options)
  if (proven.length < marks.length) throw new EpioneError('not-ordered', 'The ledger has no order to erase some of these versions.')
  return { marks: proven.map(({ mark, height }) => ({ mark, height })), asOf: proven.at(-1)?.asOf ?? null }
}

/** One custodian, and what it has signed for. */
class Asked {
  readonly custodian: MemberInfo
  readonly receipts: ReceivedErasure[] = []
  /** Orders without a receipt, by the mark's hex. */
  readonly missing: Map<string, { mark: Uint8Array; height: number }>
  code = 'pending'

  constructor(custodian: MemberInfo, marks: OrderedMarks['marks']) {
    this.custodian = custodian
    this.missing = new Map(marks.map(order => [toHex(order.mark), order]))
  }

  async ask(peer: LightPeer, wallet: Wallet, owned: OwnedFolder, options: CallOptions): Promise<void> {
    const { custodian } = this
    const orders = [...this.missing.values()]
    this.code = 'pending'
    try {
      for (let at = 0; at < orders.length; at += MAX_ERASURE_MARKS) {
        const marks = orders.slice(at, at + MAX_ERASURE_MARKS).map(({ mark }) => mark)
        const ask = await signAsk(peer, folderOwnerKey(wallet, owned), { folder: owned.id, consent: null, custodian })
        const request = folderRequestCodec.encode({ type: 'erasures', value: { ...ask, marks } })
        const answer = await peer.nodes.request(custodian.organisation.networkKey, PROTOCOL.folder, request, {
          ...options,
          timeoutMs: ANSWER_MS,
          maxResponse: MAX_LIGHT_RESPONSE,
        })
        for (const { receipt, signature } of erasuresResponseCodec.decode(answer).receipts)
          this.#take(peer.chainId, owned.id, erasureReceiptCodec.decode(receipt), signature)
      }
    } catch (error) {
      options.signal?.throwIfAborted()
      this.code = errorCode(error)
    }
  }

  /** @throws EpioneError `invalid-proof` where the receipt is not this custodian's, of this chain, this folder and one of the orders */
  #take(chainId: Uint8Array, folder: Uint8Array, receipt: ErasureReceipt, signature: Uint8Array): void {
    const order = this.missing.get(toHex(receipt.mark))
    const right =
      order !== undefined &&
      receipt.height >= order.height &&
      equalBytes(receipt.chainId, chainId) &&
      equalBytes(receipt.folder, folder) &&
      equalBytes(receipt.custodian, this.custodian.id) &&
      signedByAt(this.custodian, receipt.height, erasureReceiptBytes(receipt), signature)
    if (!right) throw new EpioneError('invalid-proof', 'An erasure receipt is not what this custodian was asked for.')
    this.missing.delete(toHex(receipt.mark))
    this.receipts.push({ custodian: this.custodian, receipt, signature })
  }
}
