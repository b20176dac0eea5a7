/** What a custodian keeps of each submission beside fragments: who staged it, until when, and the versions' sealed keys and salts. */

import { labelSchema } from '../../contracts/folders-formats.ts'
import { concat, toHex, u32 } from '../../encoding/bytes.ts'
import { bool, byteString, codec, hash32, type Infer, integer, list, struct } from '../../encoding/schema.ts'
import { MAX_FRAGMENTS } from '../../fragments/erasure.ts'
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

const sealedCodec = codec(byteString(heldVersionCodec.maxBytes + 64), heldVersionCodec.maxBytes + 128)

const SUBMISSION = Uint8Array.of(1)
const VERSION = Uint8Array.of(2)

export class Submissions {
  readonly #store: KeyValueStore
  readonly #keyring: Keyring

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
    for await (const { submission } of this.all()) if (!submission.anchored) this.#count(submission, 1)
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
  async put(root: Uint8Array, submission: Submission, versions: readonly HeldVersion[]): Promise<void> {
    const before = await this.get(root)
    const operations: StoreOperation[] = [{ type: 'put', key: concat(SUBMISSION, root), value: submissionCodec.encode(submission) }]
    versions.forEach((version, leaf) => {
      const key = this.#versionKey(root, leaf)
      operations.push({ type: 'put', key, value: sealedCodec.encode(this.#keyring.seal(heldVersionCodec.encode(version), key)) })
    })
    await this.#store.batch(operations, { sync: true })
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
    if (!submission.anchored) this.#count(submission, -1)
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
