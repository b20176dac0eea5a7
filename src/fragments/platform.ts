/**
 * The one file of this folder that touches the platform: the files of the fragment store, written aside, synced, then moved into
 * place, so that a name never shows half a fragment.
 */
import { constants } from 'node:fs'
import { chmod, type FileHandle, mkdir, open, readdir, rename, rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { parseHex, toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { HASH_LENGTH } from '../encoding/hash.ts'

const FOLDER_MODE = 0o700
const FILE_MODE = 0o600

/** Gives a failure of the file system a stable code: `disk-full` or `storage-failed`. */
export function storageError(error: unknown): EpioneError {
  if (error instanceof EpioneError) return error
  const errno = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  const full = errno === 'ENOSPC' || errno === 'EDQUOT'
  return new EpioneError(
    full ? 'disk-full' : 'storage-failed',
    full ? 'the disk is full: free space or move the data folder' : `fragments could not be stored or read (${errno}): check the disk`,
    { metadata: { errno }, cause: error },
  )
}

/** Makes renames and removals in a folder durable. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

export class FragmentFiles {
  readonly #incoming: string
  readonly #kept: string
  #counter = 0

  private constructor(dir: string) {
    this.#incoming = join(dir, 'incoming')
    this.#kept = join(dir, 'fragments')
  }

  /**
   * Opens the folder and clears what a crash left: unfinished files, and files that no record names.
   * @param isKept whether the index says that the fragment of this dispersal root is in a file
   */
  static async open(dir: string, isKept: (root: Uint8Array) => boolean): Promise<FragmentFiles> {
    const files = new FragmentFiles(dir)
    await mkdir(dir, { recursive: true, mode: FOLDER_MODE })
    await rm(files.#incoming, { recursive: true, force: true })
    await mkdir(files.#incoming, { mode: FOLDER_MODE })
    await mkdir(files.#kept, { recursive: true, mode: FOLDER_MODE })
    await chmod(dir, FOLDER_MODE)
    for (let shard = 0; shard < 256; shard++) {
      const folder = join(files.#kept, toHex(Uint8Array.of(shard)))
      await mkdir(folder, { recursive: true, mode: FOLDER_MODE })
      for (const name of await readdir(folder)) {
        const root = parseHex(name)
        // Other people's files are none of our business; only names that we would give are removed.
        if (root?.length === HASH_LENGTH && name === toHex(root) && !isKept(root)) await unlink(join(folder, name))
      }
    }
    await syncFolder(files.#kept)
    await syncFolder(dir)
    return files
  }

  /** A new file aside, to be given to {@link keep} or {@link discard}. */
  async create(): Promise<{ path: string; handle: FileHandle }> {
    const path = join(this.#incoming, `${this.#counter++}`)
    return { path, handle: await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, FILE_MODE) }
  }

  /** Moves finished and synced files into their places; durable when it returns. */
  async keep(files: readonly { path: string; root: Uint8Array }[]): Promise<void> {
    for (const { path, root } of files) await rename(path, this.#place(root))
    await this.#syncFolders(files.map(({ root }) => root))
  }

  async discard(path: string): Promise<void> {
    await rm(path, { force: true })
  }

  /** Removes files for good; those that are not there are fine. */
  async remove(roots: readonly Uint8Array[]): Promise<void> {
    for (const root of roots) await rm(this.#place(root), { force: true })
    await this.#syncFolders(roots)
  }

  /** Opens a kept file for reading; `undefined` where it is lost. */
  async read(root: Uint8Array): Promise<FileHandle | undefined> {
    try {
      return await open(this.#place(root), constants.O_RDONLY)
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    }
  }

  #place(root: Uint8Array): string {
    const name = toHex(root)
    return join(this.#kept, name.slice(0, 2), name)
  }

  async #syncFolders(roots: readonly Uint8Array[]): Promise<void> {
    const shards = new Set(roots.map(root => toHex(root.subarray(0, 1))))
    await Promise.all([...shards].map(shard => syncFolder(join(this.#kept, shard))))
  }
}
