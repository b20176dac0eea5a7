/**
 * A large record on its way into a file: `<file>.part` holds the content so far, `<file>.part.json` says of what. Both are for their
 * owner alone. What is there is checked again when the read goes on, against the hashes that the custodians prove.
 */
import { createReadStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import type { ListedVersion, Resumable } from '../src/client/get.ts'
import { parseHex, toHex } from '../src/encoding/bytes.ts'
import { readBoundedFile } from '../src/node/config-file.ts'
import { writePrivateFile } from './private-file.ts'

/** Shorter content is read again rather than kept, in bytes. */
export const MIN_PARTIAL_BYTES = 4 * 1024 * 1024
const PIECE_BYTES = 1024 * 1024

export class PartialDownload {
  readonly #path: string
  readonly #of: string
  #bytes = 0
  #known: Resumable | undefined

  private constructor(path: string, of: string) {
    this.#path = `${path}.part`
    this.#of = of
  }

  /** What is left of an earlier read of this version into this file, or the beginning of a new one. */
  static async open(path: string, { submission, leaf, recordId, version }: ListedVersion): Promise<PartialDownload> {
    const partial = new PartialDownload(path, [toHex(submission.root), leaf, toHex(recordId), version].join(' '))
    await partial.#read()
    return partial
  }

  /** Bytes of content that are there from before. */
  get bytes(): number {
    return this.#bytes
  }

  /** What a read can go on from, where there is something. */
  get known(): Resumable | undefined {
    const { header, objectSalt } = this.#known ?? {}
    if (header === undefined || objectSalt === undefined || this.#bytes === 0) return undefined
    const end = this.#bytes - 1
    const path = this.#path
    return { header, objectSalt, content: () => createReadStream(path, { end, highWaterMark: PIECE_BYTES }) }
  }

  /** Writes the content, of which what is there from before is passed over, and gives the file its name. */
  async write(path: string, begin: Omit<Resumable, 'content'>, content: AsyncIterable<Uint8Array>): Promise<void> {
    if (this.#bytes === 0) {
      const text = JSON.stringify({ of: this.#of, header: toHex(begin.header), objectSalt: toHex(begin.objectSalt) })
      await writePrivateFile(`${this.#path}.json`, [new TextEncoder().encode(text)])
    }
    const handle = await open(this.#path, this.#bytes === 0 ? 'w' : 'r+', 0o600)
    try {
      let at = 0
      for await (const piece of content) {
        const known = Math.max(0, Math.min(piece.length, this.#bytes - at))
        let written = known
        while (written < piece.length) written += (await handle.write(piece, written, piece.length - written, at + written)).bytesWritten
        at += piece.length
      }
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(this.#path, path)
    await rm(`${this.#path}.json`, { force: true })
  }

  async discard(): Promise<void> {
    await rm(this.#path, { force: true })
    await rm(`${this.#path}.json`, { force: true })
    this.#bytes = 0
    this.#known = undefined
  }

  /** Bytes that are there now. */
  async size(): Promise<number> {
    return (await stat(this.#path).catch(() => null))?.size ?? 0
  }

  async #read(): Promise<void> {
    const text = await readBoundedFile(`${this.#path}.json`, 64 * 1024).catch(() => null)
    const found = await stat(this.#path).catch(() => null)
    const said = text === null ? undefined : parse(text)
    if (found === null || !found.isFile() || said === undefined || said.of !== this.#of) return
    this.#known = { ...said, content: () => createReadStream(this.#path) }
    this.#bytes = found.size
  }
}

function parse(text: string): { of: string; header: Uint8Array; objectSalt: Uint8Array } | undefined {
  try {
    const value = JSON.parse(text) as Record<string, unknown>
    const { of, header, objectSalt } = value
    if (typeof of !== 'string' || typeof header !== 'string' || typeof objectSalt !== 'string') return undefined
    const bytes = { header: parseHex(header), objectSalt: parseHex(objectSalt) }
    return bytes.header === undefined || bytes.objectSalt?.length !== 32
      ? undefined
      : { of, header: bytes.header, objectSalt: bytes.objectSalt }
  } catch {
    return undefined
  }
}
