/**
 * What somebody who has the whole ledger knows of each pair of folders: which values they share, what they have in common, and how often their acts
 * came together. Only what the blocks say is used.
 */
import { openBodyCodec } from '../../src/contracts/access-formats.ts'
import { grantBodyCodec } from '../../src/contracts/consents-formats.ts'
import { createFolderCodec, folderId } from '../../src/contracts/folders-formats.ts'
import { anchorBodyCodec } from '../../src/contracts/records-formats.ts'
import { parseHex, toHex } from '../../src/encoding/bytes.ts'
import type { Transaction } from '../../src/ledger/transaction.ts'
import type { SeenBlock } from './ledger.ts'

/** Kinds of acts whose coming together may tell something. */
const KINDS = ['create', 'anchor', 'grant', 'revoke', 'open'] as const
type Kind = (typeof KINDS)[number]

/** How close two acts are: each pair of acts counts once, in the first of these that holds. */
const NEARNESS = ['adjacent', 'same block', '10 s', '2 min', '1 h'] as const
const NEAR_MS = [10_000, 120_000, 3_600_000] as const

/** What a piece of evidence stands on; an attack may be limited to some of these. */
export const SOURCES = ['ids and keys', 'sizes and policies', 'times and positions', 'readings'] as const
export type Source = (typeof SOURCES)[number]

export interface Feature {
  readonly name: string
  readonly source: Source
}

interface Act {
  readonly folder: number
  readonly kind: Kind
  /** Member that signed or sponsored it, in hex; empty for an act of the folder alone. */
  readonly member: string
  readonly timeMs: number
  readonly height: number
  /** Position in the block. */
  readonly position: number
  /** Distance of the transaction's end from its block, in ms: what a clock of its own would show in. */
  readonly offsetMs: number
  /** Instant that the act names, in ms: end of a session, expiry of a consent; 0 for none. */
  readonly instantMs: number
}

export interface FolderView {
  readonly id: string
  readonly creator: string
  readonly policy: number
  readonly sizes: number[]
  /** Values of 32 bytes and more that the folder's acts hold, in hex, but for members' ids and the folder's own. */
  readonly values: Set<string>
}

/** Evidence about pairs of folders. */
export interface Evidence {
  readonly folders: readonly FolderView[]
  readonly features: readonly Feature[]
  /** Pairs, by `first * folders + second` with first < second, whose acts came together or that share a value. */
  readonly met: readonly number[]
  /** All that is known of a pair; valid until the next call. */
  readonly of: (a: number, b: number) => Float64Array
}

const FEATURES: readonly Feature[] = [
  { name: 'a value in common', source: 'ids and keys' },
  { name: 'ids with more bits in common than chance has it', source: 'ids and keys' },
  { name: 'same creator', source: 'sizes and policies' },
  { name: 'sizes alike', source: 'sizes and policies' },
  ...KINDS.flatMap(kind => NEARNESS.map(near => ({ name: `${kind}: ${near}`, source: sourceOf(kind) }))),
  ...KINDS.map(kind => ({ name: `${kind}: same instant named`, source: sourceOf(kind) })),
  ...KINDS.map(kind => ({ name: `${kind}: same offset of clocks`, source: sourceOf(kind) })),
]
const FIRST_NEAR = 4
const FIRST_INSTANT = FIRST_NEAR + KINDS.length * NEARNESS.length
const FIRST_OFFSET = FIRST_INSTANT + KINDS.length

/** Charts that are read or closed in one sitting are apart: nobody waits with these. */
function sourceOf(kind: Kind): Source {
  return kind === 'open' || kind === 'revoke' ? 'readings' : 'times and positions'
}

export function observe(blocks: readonly SeenBlock[], chainId: Uint8Array): Evidence {
  const folders: FolderView[] = []
  const numbers = new Map<string, number>()
  const acts: Act[] = []
  for (const block of blocks) {
    for (const [position, transaction] of block.transactions.entries()) {
      const act = readAct(transaction, { block, position, chainId, folders, numbers })
      if (act !== undefined) acts.push(act)
    }
  }
  const pairs = new Map<number, Float64Array>()
  const evidenceOf = (a: number, b: number): Float64Array => {
    const key = Math.min(a, b) * folders.length + Math.max(a, b)
    const known = pairs.get(key)
    if (known !== undefined) return known
    const fresh = new Float64Array(FEATURES.length)
    pairs.set(key, fresh)
    return fresh
  }
  together(acts, evidenceOf)
  shared(folders, evidenceOf)
  const ids = folders.map(({ id }) => parseHex(id))
  const scratch = new Float64Array(FEATURES.length)
  return {
    folders,
    features: FEATURES,
    met: [...pairs.keys()],
    of: (a, b) => {
      const known = pairs.get(Math.min(a, b) * folders.length + Math.max(a, b))
      if (known === undefined) scratch.fill(0)
      else scratch.set(known)
      alike(folders[a] as FolderView, folders[b] as FolderView, scratch)
      scratch[1] = Math.max(0, commonBits(ids[a] as Uint8Array, ids[b] as Uint8Array) - 128) / 8
      return scratch
    },
  }
}

interface Reading {
  readonly block: SeenBlock
  readonly position: number
  readonly chainId: Uint8Array
  readonly folders: FolderView[]
  readonly numbers: Map<string, number>
}

function readAct(transaction: Transaction, { block, position, chainId, folders, numbers }: Reading): Act | undefined {
  const { content, signatures } = transaction
  const { timeMs, height } = block
  const member = content.from.kind === 'account' ? toHex(content.from.id) : content.sponsor === null ? '' : toHex(content.sponsor)
  const act = (folder: Uint8Array, kind: Kind, instantMs: number, values: readonly Uint8Array[]): Act | undefined => {
    const number = numbers.get(toHex(folder))
    if (number === undefined) return undefined
    const view = folders[number] as FolderView
    const keys = content.from.kind === 'folder' ? [signatures[0]?.publicKey ?? new Uint8Array(0)] : []
    for (const value of [...values, ...keys]) view.values.add(toHex(value))
    return { folder: number, kind, member, timeMs, height, position, offsetMs: content.validUntil - timeMs, instantMs }
  }
  switch (`${content.contract}.${content.action}`) {
    case 'folders.create': {
      const body = createFolderCodec.decode(content.body)
      const id = folderId(chainId, body.ownerKeyHash)
      numbers.set(toHex(id), folders.length)
      folders.push({ id: toHex(id), creator: member, policy: body.policy, sizes: [], values: new Set() })
      return act(id, 'create', 0, [body.ownerKeyHash, body.recoveryKeyHash, body.sealingKey, body.labelCommitment])
    }
    case 'records.anchor': {
      const body = anchorBodyCodec.decode(content.body)
      const made = act(body.folder, 'anchor', 0, [body.submissionRoot])
      if (made !== undefined) (folders[made.folder] as FolderView).sizes.push(body.sizeBucket)
      return made
    }
    case 'consents.grant': {
      const body = grantBodyCodec.decode(content.body)
      return act(content.from.id, 'grant', body.expiry, [body.commitment, body.wrapHash])
    }
    case 'consents.revoke':
      return act(content.from.id, 'revoke', 0, [])
    case 'access.open': {
      const body = openBodyCodec.decode(content.body)
      return act(body.folder, 'open', body.until, [body.commitment])
    }
    default:
      return undefined
  }
}

/** Each coincidence weighs the more, the rarer its kind is around that time. */
function together(acts: readonly Act[], evidenceOf: (a: number, b: number) => Float64Array): void {
  for (const [k, kind] of KINDS.entries()) {
    // Who writes or reads is one member; grants on folders of several members come from one hand.
    const streams = groupBy(
      acts.filter(act => act.kind === kind),
      act => (kind === 'grant' || kind === 'revoke' ? '' : act.member),
    )
    for (const stream of streams) {
      for (const [i, act] of stream.entries()) {
        const [, , hour] = NEAR_MS
        const around = countWithin(stream, i, hour)
        const weight = 1 / Math.log2(2 + around)
        for (let j = i + 1; j < stream.length; j++) {
          const other = stream[j] as Act
          const gapMs = other.timeMs - act.timeMs
          if (gapMs > hour) break
          if (other.folder === act.folder) continue
          const evidence = evidenceOf(act.folder, other.folder)
          const near = nearness(act, other, gapMs)
          evidence[FIRST_NEAR + k * NEARNESS.length + near] = (evidence[FIRST_NEAR + k * NEARNESS.length + near] as number) + weight
          if (act.instantMs !== 0 && act.instantMs === other.instantMs) add(evidence, FIRST_INSTANT + k, weight)
          if (Math.abs(act.offsetMs - other.offsetMs) < 100) add(evidence, FIRST_OFFSET + k, weight)
        }
      }
    }
  }
}

function add(evidence: Float64Array, at: number, weight: number): void {
  evidence[at] = (evidence[at] as number) + weight
}

function nearness(a: Act, b: Act, gapMs: number): number {
  if (a.height === b.height) return Math.abs(a.position - b.position) === 1 ? 0 : 1
  return 2 + NEAR_MS.findIndex(limit => gapMs <= limit)
}

function countWithin(stream: readonly Act[], at: number, spanMs: number): number {
  const { timeMs } = stream[at] as Act
  let count = 0
  for (let i = at - 1; i >= 0 && timeMs - (stream[i] as Act).timeMs <= spanMs; i--) count++
  for (let i = at + 1; i < stream.length && (stream[i] as Act).timeMs - timeMs <= spanMs; i++) count++
  return count
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>()
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item])
  return [...groups.values()]
}

/** Pairs that share a value: an owner key, a commitment, a salt. */
function shared(folders: readonly FolderView[], evidenceOf: (a: number, b: number) => Float64Array): void {
  const holders = new Map<string, number[]>()
  for (const [number, { values }] of folders.entries()) {
    for (const value of values) holders.set(value, [...(holders.get(value) ?? []), number])
  }
  for (const numbers of holders.values()) {
    for (const [i, a] of numbers.entries()) for (const b of numbers.slice(i + 1)) add(evidenceOf(a, b), 0, 1)
  }
}

function alike(a: FolderView, b: FolderView, evidence: Float64Array): void {
  evidence[2] = a.creator === b.creator ? 1 : 0
  evidence[3] = a.sizes.length === 0 || b.sizes.length === 0 ? 0 : 1 / (1 + Math.abs(mean(a.sizes) - mean(b.sizes)))
}

const ONES = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length)

function commonBits(a: Uint8Array, b: Uint8Array): number {
  let same = 0
  for (let i = 0; i < a.length; i++) same += 8 - (ONES[(a[i] as number) ^ (b[i] as number)] as number)
  return same
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
