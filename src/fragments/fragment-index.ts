/** What the fragment store keeps in the key-value store: keys of fixed length and their records. */
import { concat, equalBytes, u64 } from '../encoding/bytes.ts'
import { bool, codec, hash32, type Infer, integer, struct } from '../encoding/schema.ts'
import type { KeyValueStore, StoreOperation, StoreRange } from '../ledger/store.ts'
import { MAX_FRAGMENTS } from './erasure.ts'
import { MAX_DISPERSED_BYTES } from './layout.ts'

const fragmentCodec = codec(
  struct({
    index: integer(MAX_FRAGMENTS - 1),
    /** Bytes of the fragment. */
    length: integer(MAX_DISPERSED_BYTES, 1),
    fragmentRoot: hash32,
    /** In a file of its own, or inline in the store. */
    inFile: bool,
  }),
  128,
)
export type FragmentRecord = Infer<typeof fragmentCodec>

const submissionCodec = codec(
  struct({
    /** Whether the ledger anchors it; if not, it is staged. */
    anchored: bool,
    /** When it is dropped unless it is anchored by then, in ms; 0 once anchored. */
    stagedUntilMs: integer(),
  }),
  64,
)
export type SubmissionRecord = Infer<typeof submissionCodec>

/** First byte of each kind of key. The root in a key is a dispersal root: one custodian holds one fragment of a version. */
const FRAGMENT = Uint8Array.of(0x01)
const LEAVES = Uint8Array.of(0x02)
const DATA = Uint8Array.of(0x03)
const SUBMISSION = Uint8Array.of(0x04)
const EXPIRY = Uint8Array.of(0x05)
/** Dispersal root, then submission root. */
const USED_BY = Uint8Array.of(0x06)
/** Submission root, then dispersal root. */
const CONTAINS = Uint8Array.of(0x07)
const PRESENT = Uint8Array.of(1)

/** Keys that begin with `prefix`. */
function under(prefix: Uint8Array): StoreRange {
  const end = prefix.slice()
  let last = end.length - 1
  while (last > 0 && end[last] === 0xff) last--
  end[last] = (end[last] as number) + 1
  return { gte: prefix, lt: end.subarray(0, last + 1) }
}

const put = (key: Uint8Array, value: Uint8Array): StoreOperation => ({ type: 'put', key, value })
const del = (key: Uint8Array): StoreOperation => ({ type: 'del', key })

export class FragmentIndex {
  readonly #store: KeyValueStore

  constructor(store: KeyValueStore) {
    this.#store = store
  }

  /** Writes atomically and durably. */
  async write(operations: readonly StoreOperation[]): Promise<void> {
    await this.#store.batch(operations, { sync: true })
  }

  fragment(root: Uint8Array): FragmentRecord | undefined {
    const value = this.#store.getSync(concat(FRAGMENT, root))
    return value === undefined ? undefined : fragmentCodec.decode(value)
  }

  /** All fragments, by dispersal root. */
  async *fragments(): AsyncGenerator<{ root: Uint8Array; record: FragmentRecord }, void, undefined> {
    for await (const [key, value] of this.#store.iterator(under(FRAGMENT))) {
      yield { root: key.slice(1), record: fragmentCodec.decode(value) }
    }
  }

  /** Bytes of a fragment that is kept inline. */
  data(root: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#store.get(concat(DATA, root))
  }

  /** Has the store write the files anew in which bytes of a fragment lie. */
  async compactData(root: Uint8Array): Promise<void> {
    const gte = concat(DATA, root)
    await this.#store.compact({ gte, lt: concat(gte, Uint8Array.of(0)) })
  }

  /** Packed leaf hashes of a fragment of several chunks. */
  leaves(root: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#store.get(concat(LEAVES, root))
  }

  submission(submissionRoot: Uint8Array): SubmissionRecord | undefined {
    const value = this.#store.getSync(concat(SUBMISSION, submissionRoot))
    return value === undefined ? undefined : submissionCodec.decode(value)
  }

  async *submissions(): AsyncGenerator<{ submissionRoot: Uint8Array; record: SubmissionRecord }, void, undefined> {
    for await (const [key, value] of this.#store.iterator(under(SUBMISSION))) {
      yield { submissionRoot: key.slice(1), record: submissionCodec.decode(value) }
    }
  }

  /** Dispersal roots of the fragments that a submission brought. */
  async contents(submissionRoot: Uint8Array): Promise<Uint8Array[]> {
    const out: Uint8Array[] = []
    for await (const [key] of this.#store.iterator(under(concat(CONTAINS, submissionRoot)))) out.push(key.slice(33))
    return out
  }

  /** Submissions that brought a fragment. */
  async usedBy(root: Uint8Array): Promise<Uint8Array[]> {
    const out: Uint8Array[] = []
    for await (const [key] of this.#store.iterator(under(concat(USED_BY, root)))) out.push(key.slice(33))
    return out
  }

  /** Staged submissions whose time has come by `nowMs`, at most `limit`. */
  async expired(nowMs: number, limit: number): Promise<Uint8Array[]> {
    const out: Uint8Array[] = []
    for await (const [key] of this.#store.iterator({ gte: EXPIRY, lt: concat(EXPIRY, u64(nowMs + 1)), limit })) out.push(key.slice(9))
    return out
  }

  /** @param bytes the fragment where it is kept inline @param leaves packed leaf hashes where it has several chunks */
  putFragment(root: Uint8Array, record: FragmentRecord, leaves: Uint8Array | undefined, bytes: Uint8Array | undefined): StoreOperation[] {
    const operations = [put(concat(FRAGMENT, root), fragmentCodec.encode(record))]
    if (leaves !== undefined) operations.push(put(concat(LEAVES, root), leaves))
    if (bytes !== undefined) operations.push(put(concat(DATA, root), bytes))
    return operations
  }

  deleteFragment(root: Uint8Array): StoreOperation[] {
    return [del(concat(FRAGMENT, root)), del(concat(LEAVES, root)), del(concat(DATA, root))]
  }

  link(submissionRoot: Uint8Array, root: Uint8Array): StoreOperation[] {
    return [put(concat(CONTAINS, submissionRoot, root), PRESENT), put(concat(USED_BY, root, submissionRoot), PRESENT)]
  }

  unlink(submissionRoot: Uint8Array, root: Uint8Array): StoreOperation[] {
    return [del(concat(CONTAINS, submissionRoot, root)), del(concat(USED_BY, root, submissionRoot))]
  }

  /** Replaces a submission's record and its place in the order of expiry; `undefined` removes both. */
  setSubmission(submissionRoot: Uint8Array, before: SubmissionRecord | undefined, after: SubmissionRecord | undefined): StoreOperation[] {
    const expiry = ({ stagedUntilMs }: SubmissionRecord): Uint8Array => concat(EXPIRY, u64(stagedUntilMs), submissionRoot)
    const operations: StoreOperation[] = []
    const old = before === undefined || before.anchored ? undefined : expiry(before)
    const next = after === undefined || after.anchored ? undefined : expiry(after)
    // A batch that deletes and puts one key would leave what came last; better not to ask.
    if (old !== undefined && (next === undefined || !equalBytes(old, next))) operations.push(del(old))
    if (next !== undefined) operations.push(put(next, PRESENT))
    const key = concat(SUBMISSION, submissionRoot)
    operations.push(after === undefined ? del(key) : put(key, submissionCodec.encode(after)))
    return operations
  }
}
