/**
 * Receipts of what was released, for the folder's owner to read. They stand in the order of their time. A release that is repeated
 * takes the place of its like, and a session brings only so many: their number is bounded by what the ledger holds.
 */

import { concat, equalBytes, toHex, u32, u64 } from '../../encoding/bytes.ts'
import { EpioneError } from '../../encoding/errors.ts'
import { taggedHash } from '../../encoding/hash.ts'
import { byteString, codec, hash32, struct } from '../../encoding/schema.ts'
import type { KeyValueStore, StoreOperation } from '../../ledger/store.ts'

const RECEIPT = Uint8Array.of(2)
/** The first release of a submission in a session, as a list or with fragments: of these there are as many as submissions. */
const FIRST = Uint8Array.of(5)
/** Further releases of a submission in a session, of other versions: a reader could ask for any of their many combinations. */
const FURTHER = Uint8Array.of(6)
/** Most receipts of one access entry beyond the first list and the first read of each submission. */
const MAX_FURTHER = 256
/** Longest page, in bytes. */
const MAX_PAGE_BYTES = 2 * 1024 * 1024
/** Folders of which it is remembered where the last page ended. */
const MAX_CURSORS = 256

const storedReceiptCodec = codec(struct({ receipt: byteString(128 * 1024), signature: byteString(64, 64) }), 136 * 1024)
/** Where the receipt of a release lies, and which versions it is of. */
const placeCodec = codec(struct({ key: byteString(64), versions: hash32 }), 256)

export interface SignedReceipt {
  receipt: Uint8Array
  signature: Uint8Array
}

/** What was released. Two releases with the same values are the same release. */
export interface ReleaseSubject {
  /** Access entry under which it was released. */
  entry: Uint8Array
  submissionRoot: Uint8Array
  /** Positions in the submission, ascending. */
  leaves: readonly number[]
  /** Whether it was a list, without fragments. */
  listed: boolean
}

export interface ReceiptPage {
  receipts: SignedReceipt[]
  more: boolean
}

export class ReleaseReceipts {
  readonly #store: KeyValueStore
  /** By folder: the number of receipts up to the end of the last page, and the key of its last receipt. */
  readonly #cursors = new Map<string, { position: number; key: Uint8Array }>()
  #sequence = 0
  /** By folder: the last of its changes under way. They run one after another, for each reads before it writes. */
  readonly #writing = new Map<string, Promise<unknown>>()

  constructor(store: KeyValueStore) {
    this.#store = store
  }

  /**
   * Keeps a receipt, on disk when the promise settles. Without a subject it stands for itself and nothing takes its place.
   * @param time when it was released, in ms
   * @throws EpioneError `busy` where the session has brought as many as it may
   */
  async keep(folder: Uint8Array, time: number, signed: SignedReceipt, subject?: ReleaseSubject): Promise<void> {
    const name = toHex(folder)
    const run = (this.#writing.get(name) ?? Promise.resolve()).then(async () => {
      const fresh = concat(RECEIPT, folder, u64(time), u64(this.#sequence++))
      const { key, operations } = subject === undefined ? { key: fresh, operations: [] } : await this.#place(folder, fresh, subject)
      await this.#store.batch([...operations, { type: 'put', key, value: storedReceiptCodec.encode(signed) }], { sync: true })
    })
    const settled = run.catch(() => undefined)
    this.#writing.set(name, settled)
    try {
      await run
    } finally {
      if (this.#writing.get(name) === settled) this.#writing.delete(name)
    }
  }

  /** Where the receipt of a release goes: over that of the same release before, or to `fresh`. */
  async #place(folder: Uint8Array, fresh: Uint8Array, subject: ReleaseSubject): Promise<{ key: Uint8Array; operations: StoreOperation[] }> {
    const { entry, submissionRoot, leaves, listed } = subject
    const what = taggedHash('release-subject', submissionRoot, Uint8Array.of(listed ? 1 : 0))
    const versions = taggedHash('release-versions', ...leaves.map(leaf => u32(leaf)))
    const place = placeCodec.encode({ key: fresh, versions })

    const firstKey = concat(FIRST, folder, entry, what)
    const first = await this.#store.get(firstKey)
    if (first === undefined) return { key: fresh, operations: [{ type: 'put', key: firstKey, value: place }] }
    const known = placeCodec.decode(first)
    if (equalBytes(known.versions, versions)) return { key: known.key, operations: [] }

    const prefix = concat(FURTHER, folder, entry)
    const furtherKey = concat(prefix, taggedHash('release-subject', what, versions))
    const further = await this.#store.get(furtherKey)
    if (further !== undefined) return { key: placeCodec.decode(further).key, operations: [] }
    let count = 0
    for await (const _ of this.#store.iterator({ gte: prefix, lt: after(prefix), limit: MAX_FURTHER })) count++
    if (count === MAX_FURTHER) {
      throw new EpioneError('busy', 'This session has read as many combinations of versions as it may; open another one.')
    }
    return { key: fresh, operations: [{ type: 'put', key: furtherKey, value: place }] }
  }

  /** Up to `limit` receipts of a folder after the first `from`. Page after page it goes on where it was. */
  async page(folder: Uint8Array, from: number, limit: number): Promise<ReceiptPage> {
    const prefix = concat(RECEIPT, folder)
    const name = toHex(folder)
    const cursor = this.#cursors.get(name)
    const resumed = cursor !== undefined && from > 0 && cursor.position === from
    let position = resumed ? from : 0
    const gte = resumed ? concat(cursor.key, Uint8Array.of(0)) : prefix
    const page: ReceiptPage = { receipts: [], more: false }
    let last: Uint8Array | undefined
    let size = 0
    for await (const [key, value] of this.#store.iterator({ gte, lt: after(prefix) })) {
      if (position < from) {
        position++
        continue
      }
      size += value.length
      page.more = page.receipts.length === limit || (page.receipts.length > 0 && size > MAX_PAGE_BYTES)
      if (page.more) break
      page.receipts.push(storedReceiptCodec.decode(value))
      position++
      last = key
    }
    if (last !== undefined) this.#remember(name, { position, key: last })
    return page
  }

  #remember(folder: string, cursor: { position: number; key: Uint8Array }): void {
    this.#cursors.delete(folder)
    const oldest = this.#cursors.keys().next()
    if (this.#cursors.size >= MAX_CURSORS && oldest.done !== true) this.#cursors.delete(oldest.value)
    this.#cursors.set(folder, cursor)
  }
}

/** A key above all keys of this module that begin with `prefix`. */
function after(prefix: Uint8Array): Uint8Array {
  return concat(prefix, new Uint8Array(33).fill(0xff))
}
