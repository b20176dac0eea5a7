/** Bounded queue of frames from validators, fair between senders: who floods loses its own frames. */
import { toHex } from '../encoding/bytes.ts'

/** Frames and bytes kept of one sender, and senders kept at all. */
const MAX_SENDER_FRAMES = 2048
const MAX_SENDER_BYTES = 4 * 1024 * 1024
const MAX_SENDERS = 512

export interface Frame {
  readonly bytes: Uint8Array
  readonly from: Uint8Array
}

export class Inbox {
  readonly #queues = new Map<string, { frames: Frame[]; bytes: number }>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** False where the sender's share is full: the frame is dropped. */
  push(frame: Frame): boolean {
    const sender = toHex(frame.from)
    let queue = this.#queues.get(sender)
    if (queue === undefined) {
      if (this.#queues.size >= MAX_SENDERS) return false
      queue = { frames: [], bytes: 0 }
      this.#queues.set(sender, queue)
    }
    if (queue.frames.length >= MAX_SENDER_FRAMES || queue.bytes + frame.bytes.length > MAX_SENDER_BYTES) return false
    queue.frames.push(frame)
    queue.bytes += frame.bytes.length
    this.#size++
    return true
  }

  /** Takes up to `max` frames of each sender, in the order of arrival per sender. */
  take(max: number): Frame[] {
    const taken: Frame[] = []
    for (const [sender, queue] of this.#queues) {
      const frames = queue.frames.splice(0, max)
      for (const frame of frames) queue.bytes -= frame.bytes.length
      taken.push(...frames)
      if (queue.frames.length === 0) this.#queues.delete(sender)
    }
    this.#size -= taken.length
    return taken
  }
}
