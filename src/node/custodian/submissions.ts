/** What a custodian keeps of each submission beside fragments: who staged it, until when, and the versions' sealed keys and salts. */

import { labelSchema } from '../../contracts/folders-formats.ts'
import { concat, toHex, u32 } from '../../encoding/bytes.ts'
import { bool, byteString, codec, hash32, type Infer, integer, list, struct } from '../../encoding/schema.ts'
import { MAX_SUBMISSION_VERSIONS, versionMetaCodec, versionMetaSchema } from '../../fragments/formats.ts'
import type { KeyValueStore, StoreOperation } from '../../ledger/store.ts'
import type { Keyring } from '../keyring.ts'

const submissionCodec = codec(
  struct({
    folder: hash32,
    epoch: integer(),
    /** Index of this custodian's fragments. */
    index: integer(47),
    versions: integer(MAX_SUBMISSION_VERSIONS, 1),
    n: integer(48, 4),
    k: integer(32, 2),
    memberHeight: integer(),
    label: labelSchema,
    sponsor: hash32,
    /** Bytes of the fragments held here. */
    bytes: integer(),
    anchored: bool,
    /** Without an anchor it is dropped after this time, in ms. */
    stagedUntil: integer(),
  }),
  512,
)
export type Submission = Infer<typeof submissionCodec>

/** One version as it is held: its metadata, and the proof of the fragment held here. */
const heldVersionCodec = codec(
  struct({ meta: versionMetaSchema, fragmentRoot: hash32, fragmentProof: list(hash32, 8) }),
  versionMetaCodec.maxBytes + 512,
)
export type HeldVersion = Infer<typeof heldVersionCodec>

const sealedCodec = codec(byteString(heldVersionCodec.maxBytes + 64), heldVersionCodec.maxBytes + 128)

const SUBMISSION = Uint8Array.of(1)
const VERSION = Uint8Array.of(2)

export class Submissions {
  readonly #store: KeyValueStore
  readonly #keyring: Keyring

  /** Bytes that are staged without an anchor, by sponsor. */
  readonly #staged = new Map<string, number>()
  /** Bytes that are held, staged or anchored, by sponsor; as many entries as there were members. */
  readonly #held = new Map<string, number>()
  /** Bytes that are on their way, by sponsor. */
  readonly #reserved = new Map<string, number>()

  constructor(store: KeyValueStore, keyring: Keyring) {
    this.#store = store
    this.#keyring = keyring
  }

  /** Counts what was here before a restart. */
  async start(): Promise<void> {
    this.#staged.clear()
    this.#held.clear()
    for await (const { submission } of this.all()) this.#count(submission, 1)
  }

  /** Bytes that a sponsor has here, and of them those that are not anchored; what is reserved for it counts in both. */
  usageOf(sponsor: Uint8Array): { bytes: number; stagedBytes: number } {
    const key = toHex(sponsor)
    const reserved = this.#reserved.get(key) ?? 0
    return { bytes: (this.#held.get(key) ?? 0) + reserved, stagedBytes: (this.#staged.get(key) ?? 0) + reserved }
  }

  /** What each sponsor has here, the most first; what is on its way is not counted. */
  usage(): { sponsor: string; bytes: number; stagedBytes: number }[] {
    return [...this.#held]
      .map(([sponsor, bytes]) => ({ sponsor, bytes, stagedBytes: this.#staged.get(sponsor) ?? 0 }))
      .sort((a, b) => b.bytes - a.bytes)
  }

  /**
   * Counts bytes that a sponsor is about to stage, until they are written or given up: uploads at the same time must not each
   * find room that is there once. Returns what ends the reservation; calling that again does nothing.
   */
  reserve(sponsor: Uint8Array, bytes: number): () => void {
    const key = toHex(sponsor)
    add(this.#reserved, key, bytes)
    let held = true
    return () => {
      if (held) add(this.#reserved, key, -bytes)
      held = false
    }
  }

  #count({ sponsor, bytes, anchored }: Submission, sign: 1 | -1): void {
    const key = toHex(sponsor)
    add(this.#held, key, sign * bytes)
    if (!anchored) add(this.#staged, key, sign * bytes)
  }

  async get(root: Uint8Array): Promise<Submission | undefined> {
    const bytes = await this.#store.get(concat(SUBMISSION, root))
    return bytes === undefined ? undefined : submissionCodec.decode(bytes)
  }

  /** Writes a submission and all its versions at once, on disk when the promise settles. It takes the place of the same one before. */
  async put(root: Uint8Array, submission: Submission, versions: readonly HeldVersion[]): Promise<void> {
    const before = await this.get(root)
    const operations: StoreOperation[] = [{ type: 'put', key: concat(SUBMISSION, root), value: submissionCodec.encode(submission) }]
    versions.forEach((version, leaf) => {
      const key = this.#versionKey(root, leaf)
      operations.push({ type: 'put', key, value: sealedCodec.encode(this.#keyring.seal(heldVersionCodec.encode(version), key)) })
    })
    await this.#store.batch(operations, { sync: true })
    if (before !== undefined) this.#count(before, -1)
    this.#count(submission, 1)
  }

  async markAnchored(root: Uint8Array): Promise<Submission | undefined> {
    const submission = await this.get(root)
    if (submission === undefined || submission.anchored) return submission
    const anchored = { ...submission, anchored: true }
    await this.#store.batch([{ type: 'put', key: concat(SUBMISSION, root), value: submissionCodec.encode(anchored) }], { sync: true })
    this.#count(submission, -1)
    this.#count(anchored, 1)
    return anchored
  }

  /** One version; undefined where it is not held. @throws EpioneError `forgotten` */
  async version(root: Uint8Array, leaf: number): Promise<HeldVersion | undefined> {
    const key = this.#versionKey(root, leaf)
    const bytes = await this.#store.get(key)
    return bytes === undefined ? undefined : heldVersionCodec.decode(this.#keyring.open(sealedCodec.decode(bytes), key))
  }

  async delete(root: Uint8Array, submission: Submission): Promise<void> {
    const operations: StoreOperation[] = [{ type: 'del', key: concat(SUBMISSION, root) }]
    for (let leaf = 0; leaf < submission.versions; leaf++) operations.push({ type: 'del', key: this.#versionKey(root, leaf) })
    await this.#store.batch(operations, { sync: true })
    this.#count(submission, -1)
  }

  /** Every submission held here. */
  async *all(): AsyncGenerator<{ root: Uint8Array; submission: Submission }> {
    for await (const [key, value] of this.#store.iterator({ gte: SUBMISSION, lt: VERSION })) {
      yield { root: key.slice(1), submission: submissionCodec.decode(value) }
    }
  }

  #versionKey(root: Uint8Array, leaf: number): Uint8Array {
    return concat(VERSION, root, u32(leaf))
  }
}

function add(counts: Map<string, number>, key: string, bytes: number): void {
  const left = (counts.get(key) ?? 0) + bytes
  if (left > 0) counts.set(key, left)
  else counts.delete(key)
}
