/**
 * Uploads that broke off: what has come of them is kept for a while, so that the uploader can go on where it was. Only whoever knows
 * the token of an upload can: it is a secret between the uploader and this custodian.
 */
import { equalBytes, toHex } from '../../encoding/bytes.ts'
import type { CommitItem, FragmentWriter } from '../../fragments/fragment-store.ts'
import type { HeldVersion } from './submissions.ts'

/** Fewer bytes than these are not kept: to send them again costs next to nothing. */
const MIN_PARKED_BYTES = 1024 * 1024
/** Most versions of an upload that is kept: each is a fragment that the store counts as arriving. */
const MAX_PARKED_VERSIONS = 64
/** Most uploads that are kept; the one that broke off first gives way. Each holds a file open and its share of its sponsor's quota. */
const MAX_PARKED = 16
/** How long one is kept, in ms. */
const PARKED_MS = 60 * 60 * 1000

/** An upload on its way: what has come, and where it stands. */
export interface PartialUpload {
  readonly folder: Uint8Array
  readonly submissionRoot: Uint8Array
  readonly index: number
  /** Gives back the room that it holds, on the disk and in its sponsor's quotas. */
  readonly release: () => void
  /** Version of which chunks are awaited, and the next of them. */
  version: number
  chunk: number
  /** The fragment that has begun. */
  writer: FragmentWriter | undefined
  /** Bytes of all that has come. */
  bytes: number
  readonly writers: FragmentWriter[]
  readonly items: CommitItem[]
  readonly versions: HeldVersion[]
}

export class PartialUploads {
  readonly #now: () => number
  readonly #parked = new Map<string, { upload: PartialUpload; until: number }>()
  /** Uploads under way: how to break one off, and its end. */
  readonly #live = new Map<string, { breakOff: () => void; ended: Promise<void> }>()

  constructor(now: () => number) {
    this.#now = now
  }

  /**
   * Begins an upload under a token. One that is under way with it is broken off first: its uploader has come back before its old
   * connection was found dead. Returns what ends the upload.
   */
  async begin(token: Uint8Array, breakOff: () => void): Promise<() => void> {
    const key = toHex(token)
    for (let live = this.#live.get(key); live !== undefined; live = this.#live.get(key)) {
      live.breakOff()
      await live.ended
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#live.set(key, { breakOff, ended: promise })
    return () => {
      this.#live.delete(key)
      resolve()
    }
  }

  /** What was kept under a token, if it is of this fragment; it is the caller's from now on. */
  take(token: Uint8Array, submissionRoot: Uint8Array, index: number): PartialUpload | undefined {
    const found = this.#parked.get(toHex(token))?.upload
    if (found === undefined || !equalBytes(found.submissionRoot, submissionRoot) || found.index !== index) return undefined
    this.#parked.delete(toHex(token))
    return found
  }

  /** Keeps what has come of an upload that broke off; false where it is not worth it, and for the caller to discard. */
  park(token: Uint8Array, upload: PartialUpload): boolean {
    if (upload.bytes < MIN_PARKED_BYTES || upload.writers.length > MAX_PARKED_VERSIONS) return false
    const key = toHex(token)
    if (this.#parked.has(key)) return false
    this.#parked.set(key, { upload, until: this.#now() + PARKED_MS })
    const oldest = this.#parked.keys().next()
    if (this.#parked.size > MAX_PARKED && oldest.done !== true) void this.#drop(oldest.value)
    return true
  }

  /** Discards what nobody came back for in time. */
  async dropExpired(): Promise<void> {
    for (const [key, { until }] of [...this.#parked]) if (until <= this.#now()) await this.#drop(key)
  }

  /** Discards what is of a folder, as when a version of it is erased: nobody has to come back for it. */
  async dropFolder(folder: Uint8Array): Promise<void> {
    const keys = [...this.#parked].flatMap(([key, { upload }]) => (equalBytes(upload.folder, folder) ? [key] : []))
    await Promise.all(keys.map(async key => await this.#drop(key)))
  }

  /** Discards everything. */
  async dropAll(): Promise<void> {
    for (const key of [...this.#parked.keys()]) await this.#drop(key)
  }

  async #drop(key: string): Promise<void> {
    const parked = this.#parked.get(key)
    if (parked === undefined) return
    this.#parked.delete(key)
    await discard(parked.upload)
  }
}

/** Discards what has come of an upload. */
export async function discard(upload: PartialUpload): Promise<void> {
  upload.release()
  await Promise.allSettled(upload.writers.map(async writer => await writer.abort()))
}
