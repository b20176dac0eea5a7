/** Reading small text files that people write: bounded, regular files only. */
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { EpioneError } from '../encoding/errors.ts'

/**
 * Text of a regular file of at most `maxBytes`, or null where there is none.
 * @throws EpioneError `file-unreadable`; `file-too-large`
 */
export async function readBoundedFile(path: string, maxBytes: number): Promise<string | null> {
  let handle: FileHandle
  try {
    // Without O_NONBLOCK, opening a pipe would wait for ever.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw new EpioneError('file-unreadable', `${path} cannot be read${code === '' ? '' : ` (${code})`}`, {
      metadata: { path },
      cause: error,
    })
  }
  try {
    if (!(await handle.stat()).isFile()) throw new EpioneError('file-unreadable', `${path} is no file`, { metadata: { path } })
    const buffer = new Uint8Array(maxBytes + 1)
    let length = 0
    for (let read = -1; read !== 0 && length < buffer.length; length += read) {
      read = (await handle.read(buffer, length, buffer.length - length, length)).bytesRead
    }
    if (length > maxBytes) {
      throw new EpioneError('file-too-large', `${path} is longer than ${maxBytes} bytes`, { metadata: { path, maxBytes } })
    }
    return new TextDecoder().decode(buffer.subarray(0, length))
  } finally {
    await handle.close()
  }
}
