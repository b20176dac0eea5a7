/** One fragment on its way into the store: small ones are collected in memory, others go into a file aside. */
import type { FileHandle } from 'node:fs/promises'
import { EpioneError } from '../encoding/errors.ts'
import { FragmentHasher } from './hasher.ts'
import { CHUNK_BYTES } from './layout.ts'
import { type FragmentFiles, storageError } from './platform.ts'

/** What a custodian holds of one version: the fragment at `index` of the dispersal. */
export interface FragmentKey {
  readonly dispersalRoot: Uint8Array
  readonly index: number
}

/** The submission that a fragment belongs to. */
export interface Staging {
  readonly submissionRoot: Uint8Array
  /** When the submission is dropped unless the ledger anchors it by then, in ms. */
  readonly stagedUntilMs: number
}

export interface FragmentWriter {
  readonly key: FragmentKey
  /** Length that was announced, in bytes. */
  readonly length: number
  /** Takes the next bytes, in pieces of any length; await each. @throws EpioneError `length-mismatch`, `disk-full`, `storage-failed`, `busy` */
  write(bytes: Uint8Array): Promise<void>
  /**
   * Checks the bytes against the fragment's root and stages the fragment durably. On failure the fragment is discarded.
   * @throws EpioneError `corrupt-fragment`, `length-mismatch`, `second-index`, `exists`, `disk-full`, `storage-failed`
   */
  commit(expectedRoot: Uint8Array, staging: Staging): Promise<void>
  /** Discards what was written; fine at any time, and after a commit without effect. */
  abort(): Promise<void>
}

/** A fragment that has been received whole and is durable, or in memory; ready for the index. */
export interface ReceivedFragment {
  readonly root: Uint8Array
  readonly leaves: readonly Uint8Array[]
  /** File aside, where it is not inline. */
  readonly path: string | undefined
  readonly bytes: Uint8Array | undefined
}

/** What the store does for its writers. */
export interface WriterHost {
  readonly files: FragmentFiles
  /** Takes one of the limited number of open files. @throws EpioneError `busy` */
  takeFile(): void
  giveFile(): void
  /** Gives the writer's share of the quota and of memory back; called exactly once. */
  release(writer: PendingFragment): void
  commit(writer: PendingFragment, expectedRoot: Uint8Array, staging: Staging): Promise<void>
}

/** Whether a fragment of this length is kept inline in the key-value store. */
export function isInline(length: number): boolean {
  return length < CHUNK_BYTES
}

export class PendingFragment implements FragmentWriter {
  readonly key: FragmentKey
  readonly length: number
  readonly #host: WriterHost
  readonly #hasher = new FragmentHasher()
  #received = 0
  #bytes: Uint8Array | undefined
  #file: { path: string; handle: FileHandle } | undefined
  /** The write in progress, and with the last byte the sync of the file. */
  #work: Promise<void> = Promise.resolve()
  #writing = false
  #state: 'open' | 'failed' | 'done' = 'open'

  constructor(key: FragmentKey, length: number, host: WriterHost) {
    this.key = key
    this.length = length
    this.#host = host
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#checkOpen()
    if (this.#writing) throw new RangeError('await one write before the next')
    if (bytes.length > this.length - this.#received) {
      await this.abort()
      throw this.#lengthMismatch('more')
    }
    this.#writing = true
    try {
      this.#work = this.#take(bytes)
      await this.#work
      // The sync runs on while the caller goes to the next fragment; `receive` waits for it.
      if (this.#received === this.length) {
        this.#work = this.#finish()
        this.#work.catch(() => {})
      }
    } catch (error) {
      await this.#discard('failed')
      throw storageError(error)
    } finally {
      this.#writing = false
    }
  }

  commit(expectedRoot: Uint8Array, staging: Staging): Promise<void> {
    return this.#host.commit(this, expectedRoot, staging)
  }

  async abort(): Promise<void> {
    if (this.#state === 'open') await this.#discard('failed')
  }

  /** The whole fragment, durable where it is in a file. @throws EpioneError `length-mismatch`, `disk-full`, `storage-failed` */
  async receive(): Promise<ReceivedFragment> {
    this.#checkOpen()
    if (this.#writing || this.#received < this.length) throw this.#lengthMismatch('fewer')
    try {
      await this.#work
    } catch (error) {
      throw storageError(error)
    }
    const leaves = this.#hasher.leaves()
    return { root: this.#hasher.root(), leaves, path: this.#file?.path, bytes: this.#bytes }
  }

  /** Ends the writer once its fragment has its place. */
  done(): void {
    if (this.#state !== 'open') return
    this.#state = 'done'
    this.#bytes = undefined
    this.#host.release(this)
  }

  async #take(bytes: Uint8Array): Promise<void> {
    this.#hasher.update(bytes)
    if (isInline(this.length)) {
      this.#bytes ??= new Uint8Array(this.length)
      this.#bytes.set(bytes, this.#received)
    } else {
      if (this.#file === undefined) {
        this.#host.takeFile()
        try {
          this.#file = await this.#host.files.create()
        } catch (error) {
          this.#host.giveFile()
          throw error
        }
      }
      await this.#file.handle.writeFile(bytes)
    }
    this.#received += bytes.length
  }

  async #finish(): Promise<void> {
    if (this.#file === undefined) return
    const { handle } = this.#file
    try {
      await handle.sync()
    } finally {
      this.#host.giveFile()
      await handle.close()
    }
  }

  async #discard(state: 'failed'): Promise<void> {
    if (this.#state !== 'open') return
    this.#state = state
    await this.#work.catch(() => {})
    try {
      if (this.#file !== undefined) {
        if (this.#received < this.length) {
          this.#host.giveFile()
          await this.#file.handle.close()
        }
        await this.#host.files.discard(this.#file.path)
      }
    } catch {
      // What cannot be removed now is removed when the store is next opened.
    } finally {
      this.#bytes = undefined
      this.#host.release(this)
    }
  }

  #checkOpen(): void {
    if (this.#state !== 'open') throw new EpioneError('writer-closed', 'this fragment has been committed or discarded')
  }

  #lengthMismatch(what: 'more' | 'fewer'): EpioneError {
    const { index } = this.key
    return new EpioneError('length-mismatch', `fragment ${index} has ${what} bytes than the ${this.length} that were announced`, {
      metadata: { index, length: this.length },
    })
  }
}
