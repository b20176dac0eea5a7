/** What a custodian keeps of each submission beside fragments: who staged it, until when, and the versions' sealed keys and salts. */

import { labelSchema } from '../../contracts/folders-formats.ts'
import { concat, toHex, u32 } from '../../encoding/bytes.ts'
import { bool, byteString, codec, hash32, type Infer, integer, list, struct, tagged } from '../../encoding/schema.ts'
import { MAX_FRAGMENTS } from '../../fragments/erasure.ts'
import { MAX_SUBMISSION_VERSIONS, versionLeafHash, versionMetaCodec, versionMetaSchema } from '../../fragments/formats.ts'
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
    /** Opens the folder's commitment to the label. */
    labelSalt: hash32,
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

/** One version as it is held: its metadata, and the roots of all its fragments, which prove the one held here. */
const heldVersionCodec = codec(
  struct({ meta: versionMetaSchema, fragmentRoots: list(hash32, MAX_FRAGMENTS, 3) }),
  versionMetaCodec.maxBytes + 2048,
)
export type HeldVersion = Infer<typeof heldVersionCodec>

/** A version on disk: sealed, or, once it is erased, the one hash that proofs of the others need. */
const storedVersionCodec = codec(
  tagged({ held: byteString(heldVersionCodec.maxBytes + 64), erased: struct({ leafHash: hash32 }) }),
  heldVersionCodec.maxBytes + 128,
)

/** What stands in the place of an erased version. */
export interface ErasedLeaf {
  readonly leafHash: Uint8Array
}

const SUBMISSION = Uint8Array.of(1)
const VERSION = Uint8Array.of(2)

export class Submissions {
  readonly #store: KeyValueStore
  readonly #keyring: Keyring

  #size = 0
  /** Bytes that are staged without an anchor, by sponsor. */
  readonly #staged = new Map<string, number>()
  /** Bytes that are on their way, by sponsor. */
  readonly #reserved = new Map<string, number>()

  constructor(store: KeyValueStore, keyring: Keyring) {
    this.#store = store
    this.#keyring = keyring
  }

  /** Counts what was staged before a restart. */
  async start(): Promise<void> {
    this.#staged.clear()
    this.#size = 0
    for await (const { submission } of this.all()) {
      this.#size++
      if (!submission.anchored) this.#count(submission, 1)
    }
  }

  /** Submissions that are held, staged ones included. */
  get size(): number {
    return this.#size
  }

  /** Bytes that a sponsor has staged here and not anchored, and those that are reserved for it. */
  stagedBytes(sponsor: Uint8Array): number {
    const key = toHex(sponsor)
    return (this.#staged.get(key) ?? 0) + (this.#reserved.get(key) ?? 0)
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

  #count({ sponsor, bytes }: Submission, sign: 1 | -1): void {
    add(this.#staged, toHex(sponsor), sign * bytes)
  }

  async get(root: Uint8Array): Promise<Submission | undefined> {
    const bytes = await this.#store.get(concat(SUBMISSION, root))
    return bytes === undefined ? undefined : submissionCodec.decode(bytes)
  }

  /** Writes a submission and all its versions at once, on disk when the promise settles. It takes the place of the same one before. */
  async put(root: Uint8Array, submission: Submission, versions: readonly (HeldVersion | ErasedLeaf)[]): Promise<void> {
    const before = await this.get(root)
    const operations: StoreOperation[] = [{ type: 'put', key: concat(SUBMISSION, root), value: submissionCodec.encode(submission) }]
    versions.forEach((version, leaf) => {
      const key = this.#versionKey(root, leaf)
      const stored =
        'leafHash' in version
          ? { type: 'erased' as const, value: { leafHash: version.leafHash } }
          : { type: 'held' as const, value: this.#keyring.seal(heldVersionCodec.encode(version), key) }
      operations.push({ type: 'put', key, value: storedVersionCodec.encode(stored) })
    })
    await this.#store.batch(operations, { sync: true })
    if (before === undefined) this.#size++
    if (before !== undefined && !before.anchored) this.#count(before, -1)
    if (!submission.anchored) this.#count(submission, 1)
  }

  async markAnchored(root: Uint8Array): Promise<Submission | undefined> {
    const submission = await this.get(root)
    if (submission === undefined || submission.anchored) return submission
    const anchored = { ...submission, anchored: true }
    await this.#store.batch([{ type: 'put', key: concat(SUBMISSION, root), value: submissionCodec.encode(anchored) }], { sync: true })
    this.#count(submission, -1)
    return anchored
  }

  /** One version; undefined where it is not held, or erased. @throws EpioneError `forgotten` */
  async version(root: Uint8Array, leaf: number): Promise<HeldVersion | undefined> {
    const key = this.#versionKey(root, leaf)
    const bytes = await this.#store.get(key)
    const stored = bytes === undefined ? undefined : storedVersionCodec.decode(bytes)
    return stored?.type === 'held' ? heldVersionCodec.decode(this.#keyring.open(stored.value, key)) : undefined
  }

  /** Hash of a version's leaf, of one that is erased too; undefined where there is nothing of it. @throws EpioneError `forgotten` */
  async leafHash(root: Uint8Array, leaf: number): Promise<Uint8Array | undefined> {
    const bytes = await this.#store.get(this.#versionKey(root, leaf))
    const stored = bytes === undefined ? undefined : storedVersionCodec.decode(bytes)
    if (stored?.type === 'erased') return stored.value.leafHash
    const version = await this.version(root, leaf)
    return version === undefined ? undefined : versionLeafHash(version.meta.leaf)
  }

  async delete(root: Uint8Array, submission: Submission): Promise<void> {
    const operations: StoreOperation[] = [{ type: 'del', key: concat(SUBMISSION, root) }]
    for (let leaf = 0; leaf < submission.versions; leaf++) operations.push({ type: 'del', key: this.#versionKey(root, leaf) })
    await this.#store.batch(operations, { sync: true })
    this.#size--
    if (!submission.anchored) this.#count(submission, -1)
  }

  /** Every submission held here, in the order of their roots. @param from root to begin with */
  async *all(from: Uint8Array = new Uint8Array(0)): AsyncGenerator<{ root: Uint8Array; submission: Submission }> {
    for await (const [key, value] of this.#store.iterator({ gte: concat(SUBMISSION, from), lt: VERSION })) {
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
