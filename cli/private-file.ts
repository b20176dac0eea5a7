/** Files that a command makes: whole or not at all; for its user alone (mode 0600) unless others are to read them. */
import { access, constants, type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { EpioneError } from '../src/encoding/errors.ts'

/** Says that a file cannot be made before the work is done that would fill it. @throws EpioneError `file-unwritable` */
export async function assertWritable(path: string): Promise<void> {
  const target = await targetOf(path)
  await attempt(path, async () => await access(dirname(target), constants.W_OK))
}

/**
 * Writes a file from pieces. Until the last one is on the disk the file of that name stays as it was; after a failure nothing is left.
 * @returns number of bytes
 * @throws EpioneError `file-unwritable`; whatever `pieces` throws
 */
export async function writePrivateFile(path: string, pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<number> {
  return await writeWhole(path, pieces, 0o600)
}

/** As {@link writePrivateFile}, for others to read (mode 0644). */
export async function writeSharedFile(path: string, text: string): Promise<number> {
  return await writeWhole(path, [new TextEncoder().encode(text)], 0o644)
}

async function writeWhole(path: string, pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, mode: number): Promise<number> {
  const target = await targetOf(path)
  const temporary = `${target}.${process.pid}.tmp`
  const handle = await attempt(path, async () => await open(temporary, 'w', mode))
  let bytes = 0
  try {
    try {
      for await (const piece of pieces) {
        await attempt(path, async () => await writeAll(handle, piece))
        bytes += piece.length
      }
      await attempt(path, async () => await handle.sync())
    } finally {
      await handle.close()
    }
    await attempt(path, async () => await rename(temporary, target))
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  return bytes
}

/** Where a name leads: the file is replaced, not a link to it, and never what is no file, such as a device or a pipe. */
async function targetOf(path: string): Promise<string> {
  const target = await realpath(path).catch(() => path)
  const found = await stat(target).catch(() => null)
  if (found !== null && !found.isFile()) {
    throw new EpioneError('file-unwritable', `${path} is ${found.isDirectory() ? 'a folder' : 'no file'}; name a file`, {
      metadata: { path },
    })
  }
  return target
}

/** A step of writing, with what the system says of it in words. */
async function attempt<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
    if (!/^E[A-Z]+$/.test(code)) throw error
    throw new EpioneError('file-unwritable', `${path} cannot be written (${code})`, { metadata: { path }, cause: error })
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at, bytes.length - at)).bytesWritten
}
