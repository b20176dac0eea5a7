/** The disk of a node: files in one folder. The only file of this room that touches Node's file system. */
import { closeSync, fdatasync, fdatasyncSync, fstatSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Disk, DurableFile } from './disk.ts'

const datasync = promisify(fdatasync)

/** A folder as a disk; it is made where it is missing, for its owner alone. */
export function nodeDisk(dir: string): Disk {
  return { open: name => openNodeFile(join(dir, name)) }
}

/** Opens a file for reading and writing, making it and its folder where they are missing. */
export function openNodeFile(path: string): DurableFile {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const { fd, created } = openOrCreate(path)
  if (created) syncDirectory(dirname(path))
  let closed = false
  return {
    created,
    get size() {
      return fstatSync(fd).size
    },
    read: length => {
      const bytes = new Uint8Array(Math.min(length, fstatSync(fd).size))
      let read = 0
      while (read < bytes.length) {
        const count = readSync(fd, bytes, read, bytes.length - read, read)
        if (count === 0) break
        read += count
      }
      return bytes.subarray(0, read)
    },
    write: (offset, bytes) => {
      for (let written = 0; written < bytes.length; ) {
        written += writeSync(fd, bytes, written, bytes.length - written, offset + written)
      }
    },
    truncate: size => ftruncateSync(fd, size),
    sync: async () => await datasync(fd),
    syncNow: () => fdatasyncSync(fd),
    close: () => {
      if (!closed) closeSync(fd)
      closed = true
    },
  }
}

function openOrCreate(path: string): { fd: number; created: boolean } {
  try {
    return { fd: openSync(path, 'r+'), created: false }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return { fd: openSync(path, 'wx+', 0o600), created: true }
  }
}

/** Makes a new file's name durable. */
function syncDirectory(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
