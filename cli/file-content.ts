/** A file on the disk as the content of a record: read again for each pass over it, in memory that does not grow with it. */
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { Content } from '../src/client/record-object.ts'
import { equalBytes } from '../src/encoding/bytes.ts'
import { EpioneError } from '../src/encoding/errors.ts'
import { sha256Stream } from '../src/encoding/hash.ts'

const PIECE_BYTES = 1024 * 1024

export interface OpenFile extends Content {
  /** All bytes, of a file of at most `maxBytes`. @throws EpioneError `too-large` */
  bytes(maxBytes: number): Promise<Uint8Array>
  close(): Promise<void>
}

export interface OpenFileOptions {
  /** Told of every piece that is read, over all passes. */
  onRead?: (bytes: number) => void
  signal?: AbortSignal
}

/**
 * Opens a regular file. A pass whose bytes differ from the first one's fails, so that what was sealed is what is sent.
 * @throws EpioneError `file-missing`, `file-unreadable`; of its passes `content-changed`
 */
export async function openFile(path: string, options: OpenFileOptions = {}): Promise<OpenFile> {
  const handle = await openForReading(path)
  const { size } = await handle.stat()
  let first: Uint8Array | undefined
  const changed = (): EpioneError =>
    new EpioneError('content-changed', `${path} changed while it was read; nothing was stored`, { metadata: { path } })

  async function* pass(): AsyncGenerator<Uint8Array> {
    const hash = sha256Stream()
    let at = 0
    while (at < size) {
      options.signal?.throwIfAborted()
      // A piece of its own for each read: whoever takes it may keep it.
      const piece = new Uint8Array(Math.min(PIECE_BYTES, size - at))
      const { bytesRead } = await handle.read(piece, 0, piece.length, at)
      if (bytesRead === 0) throw changed()
      at += bytesRead
      const read = piece.subarray(0, bytesRead)
      hash.update(read)
      options.onRead?.(bytesRead)
      // The last piece waits for the verdict: before it nothing is complete, neither a hash nor an upload.
      if (at === size) await verdict(hash.digest())
      yield read
    }
    if (size === 0) await verdict(hash.digest())
  }
  const verdict = async (digest: Uint8Array): Promise<void> => {
    first ??= digest
    if (!equalBytes(first, digest) || (await handle.stat()).size !== size) throw changed()
  }

  return {
    size,
    open: pass,
    async bytes(maxBytes) {
      if (size > maxBytes) {
        throw new EpioneError('too-large', `${path} has ${size} bytes; at most ${maxBytes} are taken`, {
          metadata: { path, bytes: size, limit: maxBytes },
        })
      }
      const out = new Uint8Array(size)
      let at = 0
      for await (const piece of pass()) {
        out.set(piece, at)
        at += piece.length
      }
      return out
    },
    close: async () => await handle.close(),
  }
}

async function openForReading(path: string): Promise<FileHandle> {
  let handle: FileHandle
  try {
    // Without O_NONBLOCK, opening a pipe would wait for ever.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new EpioneError('file-missing', `there is no file ${path}`, { metadata: { path } })
    throw new EpioneError('file-unreadable', `${path} cannot be read${code === '' ? '' : ` (${code})`}`, {
      metadata: { path },
      cause: error,
    })
  }
  if (!(await handle.stat()).isFile()) {
    await handle.close()
    throw new EpioneError('file-unreadable', `${path} is no file`, { metadata: { path } })
  }
  return handle
}

/** All of a stream, such as standard input, of at most `maxBytes`. @throws EpioneError `too-large` */
export async function readStream(stream: AsyncIterable<Uint8Array | string>, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const chunk of stream) {
    signal.throwIfAborted()
    const piece = typeof chunk === 'string' ? new TextEncoder().encode(chunk) : new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length)
    size += piece.length
    if (size > maxBytes) {
      throw new EpioneError('too-large', `more than ${maxBytes} bytes on standard input; larger content is read from a file`, {
        metadata: { limit: maxBytes },
      })
    }
    pieces.push(piece)
  }
  const out = new Uint8Array(size)
  let at = 0
  for (const piece of pieces) {
    out.set(piece, at)
    at += piece.length
  }
  return out
}
