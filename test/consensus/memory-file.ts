/** A file of a disk that is nothing but bytes. */
import type { DurableFile } from '../../src/consensus/disk.ts'

export function memoryFile(bytes: Uint8Array): DurableFile {
  let held = bytes.slice()
  return {
    created: false,
    get size() {
      return held.length
    },
    read: length => held.slice(0, length),
    write: (offset, written) => {
      const next = new Uint8Array(Math.max(held.length, offset + written.length))
      next.set(held)
      next.set(written, offset)
      held = next
    },
    truncate: size => {
      held = held.slice(0, size)
    },
    sync: () => Promise.resolve(),
    syncNow: () => undefined,
    close: () => undefined,
  }
}
