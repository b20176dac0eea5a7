/**
 * Weeks in the life of a network: people enrol with hospitals, are treated, share what one hospital holds with another, take it back; clinicians open
 * charts. Every act is a signed transaction, with keys, salts and instants made as wallets and desks make them. Nothing here tells the observer whose a folder is.
 */

import { blurredExpiry, SPREAD_MS, sessionEnd, spreadDelay } from '../../src/client/spread.ts'
import { openBodyCodec } from '../../src/contracts/access-formats.ts'
import { consentId, expiryBucket, grantBodyCodec, revokeBodyCodec } from '../../src/contracts/consents-formats.ts'
import { createFolderCodec, folderId, type Label, labelCommitment } from '../../src/contracts/folders-formats.ts'
import { anchorBodyCodec } from '../../src/contracts/records-formats.ts'
import type { SigningKey } from '../../src/crypto/signature.ts'
import { folderSealingKey, labelSalt, ownerKey, ownerKeyHash, recoveryKey, recoveryKeyHash } from '../../src/crypto/wallet.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { onGrid } from '../../src/ledger/instants.ts'
import { countersign, createTransaction, type Transaction, type TransactionContent } from '../../src/ledger/transaction.ts'
import { type SeededRandom, seededRandom } from '../population/random.ts'
import { type Arrival, type Member, ObservedLedger, type SeenBlock } from './ledger.ts'

export interface LifeOptions {
  readonly seed: number
  readonly people: number
  readonly days: number
  /** Whether people's acts are spread, their instants on the grid, and batches in an order of their own, as the programs do it; or not at all. */
  readonly protected: boolean
}

export interface Life {
  readonly chainId: Uint8Array
  readonly blocks: readonly SeenBlock[]
  /** Folder id in hex to person: what the observer wants to know. */
  readonly truth: ReadonlyMap<string, number>
}

const HOUR = 3_600_000
const DAY = 24 * HOUR
const START = Date.UTC(2026, 0, 5)
const VALIDITY_MS = 10 * 60_000
const SESSION_MS = 30 * 60_000
const BLOCK_MS = 1000

const MEMBERS = [
  ['Kisumu Lakeside Hospital', 'KE'],
  ['Klinikum Spreebogen', 'DE'],
  ['Hospital Rio das Flores', 'BR'],
  ['Pune Riverside Hospital', 'IN'],
  ['Laboratory Nyanza', 'KE'],
] as const

interface Folder {
  readonly id: Uint8Array
  readonly index: number
  readonly owner: SigningKey
  readonly author: number
  readonly label: Label
  /** From when on it is on the ledger, in ms. */
  readonly openMs: number
  /** Consents in force, by the member that reads: their ids and from when on they stand. */
  readonly shared: Map<number, { consent: Uint8Array; fromMs: number }>
}

interface Person {
  readonly number: number
  readonly seed: Uint8Array
  readonly recoverySeed: Uint8Array
  /** How far the clock of this person's device is off, in ms. */
  readonly skewMs: number
  /** Member whose node the wallet talks to. */
  readonly node: number
  readonly folders: Folder[]
}

/** An act that is signed when its time has come. */
interface Planned {
  readonly atMs: number
  readonly node: number
  readonly sign: (nowMs: number) => Transaction
}

export function live(options: LifeOptions): Life {
  const random = seededRandom(options.seed)
  const ledger = new ObservedLedger(MEMBERS, START, random)
  const author = new LifeAuthor(options, ledger, random)
  const planned = author.plan().toSorted((a, b) => a.atMs - b.atMs)
  const truth = new Map(author.people.flatMap(({ number, folders }) => folders.map(({ id }) => [toHex(id), number] as const)))
  let waiting: Arrival[] = []
  let blockMs = 0
  for (const { atMs, node, sign } of planned) {
    if (waiting.length > 0 && atMs >= blockMs) {
      ledger.block(blockMs, waiting, options.protected)
      waiting = []
    }
    // Some time passes between signature and block: network, batch, round.
    if (waiting.length === 0) blockMs = atMs + BLOCK_MS
    waiting.push({ atMs, node, transaction: sign(atMs) })
  }
  if (waiting.length > 0) ledger.block(blockMs, waiting, options.protected)
  return { chainId: ledger.chainId, blocks: ledger.blocks, truth }
}

class LifeAuthor {
  readonly people: Person[] = []
  readonly #options: LifeOptions
  readonly #ledger: ObservedLedger
  readonly #random: SeededRandom
  readonly #acts: Planned[] = []

  constructor(options: LifeOptions, ledger: ObservedLedger, random: SeededRandom) {
    this.#options = options
    this.#ledger = ledger
    this.#random = random
  }

  plan(): readonly Planned[] {
    const { people, days } = this.#options
    for (let number = 0; number < people; number++) this.#person(number, days)
    return this.#acts
  }

  #person(number: number, days: number): void {
    const random = this.#random
    const person: Person = {
      number,
      seed: random.bytes(32),
      recoverySeed: random.bytes(32),
      skewMs: Math.round(random.normal(0, 400)),
      node: random.int(0, MEMBERS.length - 1),
      folders: [],
    }
    this.people.push(person)
    const hospitals = [0, 1, 2, 3, 4].toSorted(() => random.next() - 0.5).slice(0, random.pick([1, 2, 2, 3]))
    for (const hospital of hospitals) this.#enrol(person, hospital, this.#workingTime(random.int(0, Math.floor(days / 2))))
    for (let day = 1; day < days; day++) if (random.chance(0.12)) this.#visit(person, random.pick(hospitals), this.#workingTime(day))
    if (random.chance(0.1)) this.#revokeAll(person, random.pick(hospitals), this.#workingTime(days))
  }

  #workingTime(day: number): number {
    return START + day * DAY + 8 * HOUR + Math.floor(this.#random.next() * 9 * HOUR)
  }

  #enrol(person: Person, author: number, atMs: number): void {
    const random = this.#random
    const labels: Label[] = ['normal']
    if (random.chance(0.3)) labels.push('emergency-summary')
    if (random.chance(0.15)) labels.push('mental-health')
    if (random.chance(0.05)) labels.push('sexual-health')
    // The folder that is needed now comes now; the others have time.
    const delays = [0, ...this.#delays(labels.length - 1)]
    for (const [i, label] of labels.entries()) this.#open(person, author, label, atMs + (delays[i] as number) + i * 1200)
  }

  #open(person: Person, author: number, label: Label, atMs: number): void {
    const index = person.folders.length
    const owner = ownerKey(person.seed, index)
    const hash = ownerKeyHash(owner.publicKey)
    person.folders.push({
      id: folderId(this.#ledger.chainId, hash),
      index,
      owner,
      author,
      label,
      openMs: atMs + 2 * BLOCK_MS,
      shared: new Map(),
    })
    const body = createFolderCodec.encode({
      ownerKeyHash: hash,
      recoveryKeyHash: recoveryKeyHash(recoveryKey(person.recoverySeed, index).publicKey),
      sealingKey: folderSealingKey(person.seed, index, 0).publicKey,
      labelCommitment: labelCommitment(labelSalt(person.seed, index), label),
      policy: 0,
    })
    this.#byMember(author, atMs, 'folders', 'create', body)
  }

  /** A visit: what others hold is shared with this hospital where it is not yet, the chart is opened, and something is written. */
  #visit(person: Person, hospital: number, atMs: number): void {
    const random = this.#random
    const foreign = person.folders.filter(
      ({ author, openMs, label }) => author !== hospital && openMs < atMs - HOUR && label !== 'sexual-health',
    )
    const fresh = foreign.filter(({ shared }) => !shared.has(hospital))
    // The decision to share is made before the visit; the grants go one by one, at once, as they do unless somebody asks for more.
    const decidedMs = atMs - HOUR - Math.floor(random.next() * DAY)
    for (const [i, folder] of fresh.entries()) {
      this.#grant(person, folder, hospital, Math.max(folder.openMs, decidedMs) + i * 1200, decidedMs + 30 * DAY)
    }
    const readable = foreign.filter(({ shared }) => (shared.get(hospital)?.fromMs ?? Number.POSITIVE_INFINITY) < atMs)
    for (const [i, folder] of readable.entries()) this.#read(folder, hospital, atMs + i * 700)
    const own = person.folders.filter(({ author, openMs }) => author === hospital && openMs < atMs)
    const written = own.filter(({ label }) => label === 'normal' || random.chance(0.4))
    const later = atMs + 10 * 60_000 + Math.floor(random.next() * 20 * 60_000)
    for (const [i, folder] of written.entries()) this.#anchor(folder, hospital, later + i * 1500)
  }

  #grant(person: Person, folder: Folder, to: number, atMs: number, endMs: number): void {
    const commitment = this.#random.bytes(32)
    const consent = consentId(folder.id, commitment)
    folder.shared.set(to, { consent, fromMs: atMs + 2 * BLOCK_MS })
    const body = grantBodyCodec.encode({
      commitment,
      wrapHash: this.#random.bytes(32),
      epoch: 0,
      expiry: this.#options.protected ? blurredExpiry(endMs, this.#random.next(), atMs) : expiryBucket(endMs),
    })
    this.#byOwner(person, folder, atMs, 'consents', 'grant', body, folder.author)
  }

  #read(folder: Folder, by: number, atMs: number): void {
    const { consent } = folder.shared.get(by) as { consent: Uint8Array }
    const until = this.#options.protected ? sessionEnd(atMs, SESSION_MS) : atMs + SESSION_MS
    this.#byMember(
      by,
      atMs,
      'access',
      'open',
      openBodyCodec.encode({ folder: folder.id, consent, commitment: this.#random.bytes(32), until }),
    )
  }

  #anchor(folder: Folder, by: number, atMs: number): void {
    const sizeBucket = Math.max(9, Math.round(this.#random.normal(14, 3)))
    const body = { folder: folder.id, epoch: 0, submissionRoot: this.#random.bytes(32), sizeBucket, n: 4, k: 2, memberHeight: 0 }
    this.#byMember(by, atMs, 'records', 'anchor', anchorBodyCodec.encode(body))
  }

  /** What is taken back is taken back at once. */
  #revokeAll(person: Person, from: number, atMs: number): void {
    const shared = person.folders.filter(folder => folder.shared.has(from))
    for (const [i, folder] of shared.entries()) {
      const { consent } = folder.shared.get(from) as { consent: Uint8Array }
      this.#byOwner(person, folder, atMs + i * 1200, 'consents', 'revoke', revokeBodyCodec.encode({ consent }), null)
    }
  }

  #delays(count: number): number[] {
    return Array.from({ length: count }, () => (this.#options.protected ? spreadDelay(SPREAD_MS, this.#random.next()) : 0))
  }

  #content(atMs: number, act: Pick<TransactionContent, 'from' | 'contract' | 'action' | 'body' | 'sponsor'>): TransactionContent {
    const end = atMs + VALIDITY_MS
    return { chainId: this.#ledger.chainId, validUntil: this.#options.protected ? onGrid(end) : end, nonce: this.#random.bytes(16), ...act }
  }

  #byMember(number: number, atMs: number, contract: string, action: string, body: Uint8Array): void {
    const member = this.#ledger.members[number] as Member
    const from = { kind: 'account' as const, id: member.id }
    this.#plan(atMs, number, () => createTransaction(this.#content(atMs, { from, contract, action, body, sponsor: null }), member.key))
  }

  #byOwner(person: Person, folder: Folder, atMs: number, contract: string, action: string, body: Uint8Array, sponsor: number | null): void {
    const member = sponsor === null ? null : (this.#ledger.members[sponsor] as Member)
    const from = { kind: 'folder' as const, id: folder.id }
    this.#plan(atMs, person.node, () => {
      const content = this.#content(atMs + person.skewMs, { from, contract, action, body, sponsor: member?.id ?? null })
      const transaction = createTransaction(content, folder.owner)
      return member === null ? transaction : countersign(transaction, member.key)
    })
  }

  #plan(atMs: number, node: number, sign: Planned['sign']): void {
    this.#acts.push({ atMs, node, sign })
  }
}
