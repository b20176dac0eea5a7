/** The one file of this folder that touches the platform: compression, which addresses are dialled, and entries that are kept. */

import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { constants, zstdCompress, zstdDecompress } from 'node:zlib'
import { EpioneError } from '../encoding/errors.ts'

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

/** Zstandard, level 3 (RFC 8878). A frame does not name its dictionary: the object's header does, by the hash. */
export async function zstd(bytes: Uint8Array, dictionary?: Uint8Array): Promise<Uint8Array> {
  const params = { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_dictIDFlag]: 0 }
  return new Uint8Array(await compress(bytes, { params, ...(dictionary === undefined ? {} : { dictionary }) }))
}

/** Inverse of {@link zstd}; gives up above `maxBytes`, so that a small input cannot fill the memory. */
export async function unzstd(bytes: Uint8Array, maxBytes: number, dictionary?: Uint8Array): Promise<Uint8Array> {
  const options = { maxOutputLength: Math.max(1, maxBytes), ...(dictionary === undefined ? {} : { dictionary }) }
  return new Uint8Array(await decompress(bytes, options))
}

/**
 * Of a peer's addresses those to dial from here: Node speaks TCP, and takes WebSockets where there is nothing else. A dial that
 * @libp2p/websockets 10.1.21 gives up leaves its socket open, and the process running, for five minutes.
 */
export function dialable(addresses: readonly string[]): string[] {
  const plain = addresses.filter(address => !/\/wss?(?:\/|$)/.test(address))
  return plain.length > 0 ? plain : [...addresses]
}

/** Named bytes that are kept, each call on disk when it settles. */
export interface Entries {
  names(): Promise<readonly string[]>
  load(name: string): Promise<Uint8Array | null>
  save(name: string, bytes: Uint8Array): Promise<void>
  /** Fine where nothing is there. */
  remove(name: string): Promise<void>
  close(): Promise<void>
}

const ENTRY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const LOCK = '.lock'
/** Of a file that is written: an end that no entry has. */
const PARTIAL = '.tmp~'

/**
 * Entries as files of a folder: written beside, synced, renamed, and the folder synced. A lock keeps a second process out; one that was left by a process that is gone is taken over.
 * @throws EpioneError `outbox-in-use`, `storage-failed`
 */
export async function openEntries(folder: string): Promise<Entries> {
  await failing(async () => await mkdir(folder, { recursive: true, mode: 0o700 }))
  await lock(join(folder, LOCK))
  const pathOf = (name: string): string => {
    if (!ENTRY.test(name)) throw new EpioneError('storage-failed', `No entry can be called ${JSON.stringify(name.slice(0, 64))}.`)
    return join(folder, name)
  }
  const syncFolder = async (): Promise<void> => {
    const handle = await open(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }
  // What a crash left half-written is no entry.
  for (const name of await readdir(folder)) if (name.endsWith(PARTIAL)) await rm(join(folder, name), { force: true })
  return {
    names: async () => await failing(async () => (await readdir(folder)).filter(name => ENTRY.test(name))),
    load: async name =>
      await failing(
        async () =>
          await readFile(pathOf(name)).then(
            bytes => new Uint8Array(bytes),
            (error: NodeJS.ErrnoException) => {
              if (error.code === 'ENOENT') return null
              throw error
            },
          ),
      ),
    save: async (name, bytes) =>
      await failing(async () => {
        const path = pathOf(name)
        const handle = await open(`${path}${PARTIAL}`, 'w', 0o600)
        try {
          await handle.writeFile(bytes)
          await handle.sync()
        } finally {
          await handle.close()
        }
        await rename(`${path}${PARTIAL}`, path)
        await syncFolder()
      }),
    remove: async name =>
      await failing(async () => {
        await rm(pathOf(name), { force: true })
        await syncFolder()
      }),
    close: async () => await rm(join(folder, LOCK), { force: true }),
  }
}

/** Notes this process in a file that only one can make. */
async function lock(path: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      const handle = await open(path, 'wx', 0o600)
      await handle.writeFile(String(process.pid))
      await handle.close()
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw storageFailed(error)
      const pid = Number(await readFile(path, 'utf8').catch(() => ''))
      if (tries > 0 || isAlive(pid)) {
        throw new EpioneError('outbox-in-use', `Another process (${pid}) has this outbox open; one at a time sends what is in it.`)
      }
      await rm(path, { force: true })
    }
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid < 1) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function failing<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw error instanceof EpioneError ? error : storageFailed(error)
  }
}

function storageFailed(cause: unknown): EpioneError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown'
  return new EpioneError(
    'storage-failed',
    `What waits to be sent could not be kept or read (${code}); see to the disk and the folder's permissions.`,
    { cause },
  )
}
