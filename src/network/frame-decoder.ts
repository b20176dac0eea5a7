/**
 * Frames on a stream: an unsigned varint (LEB128, multiformats unsigned-varint) with the length, then as many bytes. Frames are
 * cut out only when they are asked for, so that a flood of tiny frames costs no more memory than its bytes.
 */
import { MalformedError } from '../encoding/errors.ts'

/** Bytes of the longest length prefix: 32 bits are enough for every frame. */
const MAX_PREFIX = 5
/** A buffer above this is given back when it is empty. */
const KEEP_BYTES = 64 * 1024

export class FrameDecoder {
  readonly #maxFrame: number
  #buffer = new Uint8Array(0)
  #start = 0
  #end = 0

  constructor(maxFrame: number) {
    this.#maxFrame = maxFrame
  }

  /** Bytes that are held and not yet handed out. */
  get buffered(): number {
    return this.#end - this.#start
  }

  push(chunk: Uint8Array): void {
    const held = this.buffered
    if (this.#end + chunk.length > this.#buffer.length) {
      const needed = held + chunk.length
      // Doubling keeps the copies of a long frame linear; moving down suffices while half of the buffer is free.
      const target = needed * 2 <= this.#buffer.length ? this.#buffer : new Uint8Array(Math.max(needed, this.#buffer.length * 2, 4096))
      target.set(this.#buffer.subarray(this.#start, this.#end))
      this.#buffer = target
      this.#start = 0
      this.#end = held
    }
    this.#buffer.set(chunk, this.#end)
    this.#end += chunk.length
  }

  /** Whether `next` has something to say: a whole frame, or that the bytes are malformed. */
  get ready(): boolean {
    try {
      const head = this.#head()
      return head !== undefined && this.buffered >= head.prefix + head.length
    } catch {
      return true
    }
  }

  /**
   * The next whole frame, in memory of its own; `undefined` where more bytes are needed.
   * @throws MalformedError where the length is not a minimal varint or exceeds the limit.
   */
  next(): Uint8Array | undefined {
    const head = this.#head()
    if (head === undefined || this.buffered < head.prefix + head.length) return undefined
    const from = this.#start + head.prefix
    const end = from + head.length
    const frame = new Uint8Array(head.length)
    frame.set(this.#buffer.subarray(from, end))
    this.#start = end
    if (this.#start === this.#end) {
      this.#start = 0
      this.#end = 0
      if (this.#buffer.length > KEEP_BYTES) this.#buffer = new Uint8Array(0)
    }
    return frame
  }

  /** The length of the next frame, and of its prefix; `undefined` where the prefix is not complete. */
  #head(): { prefix: number; length: number } | undefined {
    let length = 0
    for (let i = 0; i < MAX_PREFIX; i++) {
      const byte = this.#start + i < this.#end ? this.#buffer[this.#start + i] : undefined
      if (byte === undefined) return undefined
      length += (byte & 0x7f) * 2 ** (7 * i)
      if (length > this.#maxFrame) throw new MalformedError(`frame of ${length} bytes or more exceeds its limit of ${this.#maxFrame} bytes`)
      if ((byte & 0x80) !== 0) continue
      if (byte === 0 && i > 0) throw new MalformedError('frame length is not a minimal varint')
      return { prefix: i + 1, length }
    }
    throw new MalformedError('frame length is not a varint of 32 bits')
  }
}

/** Bytes of the length prefix of a frame of `length` bytes. */
export function prefixLength(length: number): number {
  let bytes = 1
  for (let rest = length; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes += 1
  return bytes
}

/** Writes the length prefix into `target` and returns the offset after it. */
export function writePrefix(target: Uint8Array, offset: number, length: number): number {
  let at = offset
  let rest = length
  while (rest >= 0x80) {
    target[at++] = (rest & 0x7f) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  target[at++] = rest
  return at
}

/** One frame with its length prefix; `parts` make up its content. */
export function encodeFrame(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(prefixLength(length) + length)
  let at = writePrefix(out, 0, length)
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
