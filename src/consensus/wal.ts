/**
 * Write-ahead log of one height (rule 8: log, then apply; sync, then send), on any disk.
 *
 * An entry is `length | synced | CRC-32C | payload`, three big-endian 32-bit numbers and the bytes; the checksum covers length,
 * synced and payload. `synced` is how many bytes of the file were known to be on disk when the entry was written. It tells the two kinds of
 * damage apart: bytes that were never synced may be lost at a crash, and that loses nothing that anybody was told; damage below
 * the `synced` of an entry that can still be read is corruption. After each sync a mark is written, an entry that says no more than that: so
 * that what was synced last is covered, too, wherever the process ended later than that, however it ended.
 */
import { EpioneError } from '../encoding/errors.ts'
import { crc32c } from './crc32c.ts'
import type { DurableFile } from './disk.ts'

const HEAD = 12
/** Payload of a mark. */
const MARK = Uint8Array.of(0)
/** Longest payload of an entry, in bytes: the body of a batch. */
export const MAX_WAL_ENTRY_BYTES = 2 * 1024 * 1024 + 4096
/** Longest log, in bytes. Rounds grow longer linearly, so that honest traffic of one height does not come near it in months. */
export const MAX_WAL_BYTES = 256 * 1024 * 1024

export class WriteAheadLog {
  readonly #file: DurableFile
  readonly #maxBytes: number
  #size: number
  #synced = 0
  #unsynced = false
  /** The sync begun last. Once one has failed nobody knows what is on disk, so that its failure stays. */
  #syncing: Promise<void> = Promise.resolve()
  /** Times that the log was emptied, or closed. */
  #life = 0

  /** The log in a file, which is not read yet: {@link replay} comes first where it may hold something. */
  constructor(file: DurableFile, options: { maxBytes?: number } = {}) {
    this.#file = file
    this.#size = file.size
    this.#maxBytes = options.maxBytes ?? MAX_WAL_BYTES
  }

  /**
   * Payloads in order. A torn tail that was never synced is cut off.
   * @throws EpioneError `wal-corrupt` where bytes that were synced are damaged
   */
  replay(): Uint8Array[] {
    if (this.#size > MAX_WAL_BYTES) {
      throw new EpioneError('wal-corrupt', 'The consensus log is longer than it can be.', { metadata: { bytes: this.#size } })
    }
    const bytes = this.#file.read(this.#size)
    const payloads: Uint8Array[] = []
    let offset = 0
    while (offset < bytes.length) {
      const entry = entryAt(bytes, offset)
      if (entry === undefined) break
      if (!isMark(entry.payload)) payloads.push(entry.payload)
      offset += HEAD + entry.payload.length
    }
    if (offset < bytes.length) {
      for (let later = offset + 1; later + HEAD < bytes.length; later++) {
        // The cheap look first: a checksum at every offset of a long tail would take minutes.
        const synced = syncedAt(bytes, later)
        if (synced <= offset || synced > later || entryAt(bytes, later) === undefined) continue
        throw new EpioneError('wal-corrupt', 'The consensus log is damaged below its synced end.', { metadata: { offset } })
      }
      this.#file.truncate(offset)
    }
    this.#size = offset
    this.#synced = 0
    // What an earlier life wrote may not be on disk yet.
    this.#unsynced = offset > 0
    return payloads
  }

  /** Bytes that may still be appended. */
  get room(): number {
    return this.#maxBytes - this.#size
  }

  /** Writes an entry; it is on disk after the next {@link sync}. @throws EpioneError `wal-full` beyond the log's bound */
  append(payload: Uint8Array): void {
    this.#append(payload)
    this.#unsynced = true
  }

  #append(payload: Uint8Array): void {
    if (payload.length === 0 || payload.length > MAX_WAL_ENTRY_BYTES) {
      throw new EpioneError('wal-entry-size', `A log entry has 1 to ${MAX_WAL_ENTRY_BYTES} bytes.`, {
        metadata: { length: payload.length },
      })
    }
    if (this.#size + HEAD + payload.length > this.#maxBytes) {
      throw new EpioneError('wal-full', 'The consensus log of this height has reached its bound.', { metadata: { bytes: this.#size } })
    }
    const entry = new Uint8Array(HEAD + payload.length)
    const view = new DataView(entry.buffer)
    view.setUint32(0, payload.length)
    view.setUint32(4, this.#synced)
    view.setUint32(8, crc32c(entry.subarray(0, 8), payload))
    entry.set(payload, HEAD)
    this.#file.write(this.#size, entry)
    this.#size += entry.length
  }

  /** Settles once everything appended before the call is on disk. */
  sync(): Promise<void> {
    if (this.#unsynced) {
      this.#unsynced = false
      this.#syncing = this.#flush()
    }
    return this.#syncing
  }

  async #flush(): Promise<void> {
    const size = this.#size
    const life = this.#life
    await this.#file.sync()
    // The log of another height has begun meanwhile, or the log was closed.
    if (life !== this.#life) return
    this.#synced = Math.max(this.#synced, size)
    if (this.room > HEAD) this.#append(MARK)
  }

  /** As {@link sync}, at once: where a log begins, and nowhere else. */
  syncNow(): void {
    this.#file.syncNow()
    this.#unsynced = false
    this.#synced = this.#size
    this.#append(MARK)
  }

  /** Whether the file was not there before: its name outlives a crash, so that only a loss explains this later on. */
  get created(): boolean {
    return this.#file.created
  }

  /** Empties the log: its height is stored. Durable with the next {@link sync}; a log of a stored height is ignored anyway. */
  reset(): void {
    this.#file.truncate(0)
    this.#size = 0
    this.#synced = 0
    this.#unsynced = true
    this.#life++
  }

  close(): void {
    this.#life++
    this.#file.close()
  }
}

function isMark(payload: Uint8Array): boolean {
  return payload.length === 1 && payload[0] === MARK[0]
}

/** What an entry at `offset` would say was synced when it was written. */
function syncedAt(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + offset, HEAD).getUint32(4)
}

/** The entry that starts at `offset`; undefined where there is none that is whole. */
function entryAt(bytes: Uint8Array, offset: number): { synced: number; payload: Uint8Array } | undefined {
  if (offset + HEAD >= bytes.length) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, HEAD)
  const length = view.getUint32(0)
  if (length === 0 || length > MAX_WAL_ENTRY_BYTES || offset + HEAD + length > bytes.length) return undefined
  const payload = bytes.subarray(offset + HEAD, offset + HEAD + length)
  return crc32c(bytes.subarray(offset, offset + 8), payload) === view.getUint32(8) ? { synced: view.getUint32(4), payload } : undefined
}
