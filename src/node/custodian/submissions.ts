/** What a custodian keeps of each submission beside fragments: who staged it, until when, and the versions' sealed keys and salts. */

import { labelSchema } from '../../contracts/folders-formats.ts'
import { concat, equalBytes, toHex, u32 } from '../../encoding/bytes.ts'
import { errorCode } from '../../encoding/errors.ts'
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
/** Submissions by folder. */
const BY_FOLDER = Uint8Array.of(3)
const PRESENT = Uint8Array.of(1)

/** A version to erase, and the bytes of its fragment that go with it. */
export interface ErasedVersion {
  readonly leaf: number
  readonly leafHash: Uint8Array
  readonly bytes: number
}

export class Submissions {
  readonly #store: KeyValueStore
  readonly #keyring: Keyring

  #size = 0
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
    this.#size = 0
    for await (const { submission } of this.all()) {
      this.#size++
      this.#count(submission, 1)
    }
  }

  /** Submissions that are held, staged ones included. */
  get size(): number {
    return this.#size
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

  /**
   * Writes a submission and all its versions at once, on disk when the promise settles. It takes the place of the same one
   * before, unless that is anchored and this one is not: then what is kept for good stays as it is.
   */
  async put(root: Uint8Array, submission: Submission, versions: readonly (HeldVersion | ErasedLeaf)[]): Promise<void> {
    const { folder } = submission
    await this.#keyring.within(folder, async () => {
      const before = await this.get(root)
      if (before?.anchored === true && !submission.anchored) return
      const operations: StoreOperation[] = [
        { type: 'put', key: concat(SUBMISSION, root), value: submissionCodec.encode(submission) },
        { type: 'put', key: concat(BY_FOLDER, folder, root), value: PRESENT },
      ]
      versions.forEach((version, leaf) => {
        const key = this.#versionKey(root, leaf)
        const stored =
          'leafHash' in version
            ? { type: 'erased' as const, value: { leafHash: version.leafHash } }
            : { type: 'held' as const, value: this.#keyring.seal(folder, heldVersionCodec.encode(version), key) }
        operations.push({ type: 'put', key, value: storedVersionCodec.encode(stored) })
      })
      await this.#store.batch(operations, { sync: true })
      if (before === undefined) this.#size++
      else this.#count(before, -1)
      this.#count(submission, 1)
    })
  }

  async markAnchored(root: Uint8Array): Promise<Submission | undefined> {
    return await this.#change(root, async submission => {
      if (submission.anchored) return submission
      const anchored = { ...submission, anchored: true }
      await this.#store.batch([{ type: 'put', key: concat(SUBMISSION, root), value: submissionCodec.encode(anchored) }], { sync: true })
      this.#count(submission, -1)
      this.#count(anchored, 1)
      return anchored
    })
  }

  /** Moves the time until which a staged submission is kept. */
  async renew(root: Uint8Array, stagedUntil: number): Promise<void> {
    await this.#change(root, async submission => {
      if (submission.anchored) return
      const renewed = submissionCodec.encode({ ...submission, stagedUntil })
      await this.#store.batch([{ type: 'put', key: concat(SUBMISSION, root), value: renewed }], { sync: true })
    })
  }

  /** Runs a change of a submission that is held, after those before it. */
  async #change<T>(root: Uint8Array, change: (submission: Submission) => Promise<T>): Promise<T | undefined> {
    const known = await this.get(root)
    if (known === undefined) return undefined
    return await this.#keyring.within(known.folder, async () => {
      const submission = await this.get(root)
      return submission === undefined ? undefined : await change(submission)
    })
  }

  /** One version; undefined where it is not held, or erased. @throws EpioneError `forgotten` */
  async version(root: Uint8Array, leaf: number): Promise<HeldVersion | undefined> {
    const key = this.#versionKey(root, leaf)
    const bytes = await this.#store.get(key)
    const stored = bytes === undefined ? undefined : storedVersionCodec.decode(bytes)
    return stored?.type === 'held' ? heldVersionCodec.decode(this.#keyring.open(stored.value, key)) : undefined
  }

  /** One version, or `forgotten` where it is here and the keyring does not open it; undefined where it is not held, or erased. */
  async versionOrForgotten(root: Uint8Array, leaf: number): Promise<HeldVersion | 'forgotten' | undefined> {
    try {
      return await this.version(root, leaf)
    } catch (error) {
      if (errorCode(error) === 'forgotten') return 'forgotten'
      throw error
    }
  }

  /** Whether a version was held here and is erased: not to be audited, nor rebuilt. */
  async isErased(root: Uint8Array, leaf: number): Promise<boolean> {
    const bytes = await this.#store.get(this.#versionKey(root, leaf))
    return bytes !== undefined && storedVersionCodec.decode(bytes).type === 'erased'
  }

  /** Hash of a version's leaf, of one that is erased too; undefined where there is nothing of it. @throws EpioneError `forgotten` */
  async leafHash(root: Uint8Array, leaf: number): Promise<Uint8Array | undefined> {
    const bytes = await this.#store.get(this.#versionKey(root, leaf))
    const stored = bytes === undefined ? undefined : storedVersionCodec.decode(bytes)
    if (stored?.type === 'erased') return stored.value.leafHash
    const version = await this.version(root, leaf)
    return version === undefined ? undefined : versionLeafHash(version.meta.leaf)
  }

  /**
   * Forgets what was held of these versions but the hash of each leaf, on disk when the promise settles. Older copies of the store
   * have it all the same, until the key of its bucket is destroyed.
   */
  async erase(root: Uint8Array, versions: readonly ErasedVersion[]): Promise<void> {
    await this.#change(root, async submission => {
      const freed = versions.reduce((sum, { bytes }) => sum + bytes, 0)
      const left = { ...submission, bytes: Math.max(0, submission.bytes - freed) }
      const operations: StoreOperation[] = [{ type: 'put', key: concat(SUBMISSION, root), value: submissionCodec.encode(left) }]
      for (const { leaf, leafHash } of versions) {
        operations.push({
          type: 'put',
          key: this.#versionKey(root, leaf),
          value: storedVersionCodec.encode({ type: 'erased', value: { leafHash } }),
        })
      }
      await this.#store.batch(operations, { sync: true })
      this.#count(submission, -1)
      this.#count(left, 1)
    })
  }

  async delete(root: Uint8Array): Promise<void> {
    await this.#change(root, async submission => await this.#delete(root, submission))
  }

  /** Deletes a submission if it is still staged and its time is up; one that was anchored or sent again meanwhile stays. */
  async deleteExpired(root: Uint8Array, now: number): Promise<void> {
    await this.#change(root, async submission => {
      if (!submission.anchored && submission.stagedUntil <= now) await this.#delete(root, submission)
    })
  }

  async #delete(root: Uint8Array, submission: Submission): Promise<void> {
    const { folder } = submission
    const operations: StoreOperation[] = [
      { type: 'del', key: concat(SUBMISSION, root) },
      { type: 'del', key: concat(BY_FOLDER, folder, root) },
    ]
    for (let leaf = 0; leaf < submission.versions; leaf++) operations.push({ type: 'del', key: this.#versionKey(root, leaf) })
    await this.#store.batch(operations, { sync: true })
    this.#size--
    this.#count(submission, -1)
  }

  /** Submissions of a folder that are held here. */
  async *ofFolder(folder: Uint8Array): AsyncGenerator<{ root: Uint8Array; submission: Submission }> {
    for await (const root of this.#rootsUnder(folder)) {
      const submission = await this.get(root)
      if (submission !== undefined) yield { root, submission }
    }
  }

  /** Every folder of which a submission is held here. */
  async *folders(): AsyncGenerator<Uint8Array> {
    let last: Uint8Array | undefined
    for await (const [key] of this.#store.iterator({ gte: BY_FOLDER, lt: Uint8Array.of(4) })) {
      const folder = key.slice(1, 33)
      if (last !== undefined && equalBytes(last, folder)) continue
      last = folder
      yield folder
    }
  }

  /** Writes all that is held for a bucket's folders under its newest key. */
  async reseal(bucket: number): Promise<void> {
    await this.#keyring.reseal(bucket, this.#store, this.#versionKeys(bucket), {
      read: value => {
        const stored = storedVersionCodec.decode(value)
        return stored.type === 'held' ? stored.value : undefined
      },
      write: sealed => storedVersionCodec.encode({ type: 'held', value: sealed }),
    })
  }

  async *#versionKeys(bucket: number): AsyncGenerator<Uint8Array> {
    for await (const root of this.#rootsUnder(Uint8Array.of(bucket))) {
      const submission = await this.get(root)
      for (let leaf = 0; leaf < (submission?.versions ?? 0); leaf++) yield this.#versionKey(root, leaf)
    }
  }

  /** Roots of the submissions of all folders whose ids begin with `prefix`. */
  async *#rootsUnder(prefix: Uint8Array): AsyncGenerator<Uint8Array> {
    const gte = concat(BY_FOLDER, prefix)
    // Longer than any key, and above all of them with this prefix.
    const lt = concat(gte, new Uint8Array(65).fill(0xff))
    for await (const [key] of this.#store.iterator({ gte, lt })) yield key.slice(33)
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
