/**
 * What log and guard need of a disk. A node gives them files (node-disk.ts); a simulator gives them files that lose what was not
 * synced. Calls that fail throw, and the engine then stops for good: a validator that cannot write must not speak.
 */

export interface DurableFile {
  /** Whether the file was made by this opening. */
  readonly created: boolean
  /** Bytes in the file, synced or not. */
  readonly size: number
  /** The first `length` bytes; fewer where the file is shorter. */
  read(length: number): Uint8Array
  /** Writes all of `bytes` at an offset. They survive a crash for sure only after the next {@link sync}. */
  write(offset: number, bytes: Uint8Array): void
  truncate(size: number): void
  /** Settles once everything written before the call is on disk. */
  sync(): Promise<void>
  /** As {@link sync}, at once: for the creation of a file, and nowhere else. */
  syncNow(): void
  /** May be called more than once. */
  close(): void
}

/** A folder that belongs to one engine alone. */
export interface Disk {
  /** Opens a file, making it where it is missing; its name is durable when this returns. */
  open(name: string): DurableFile
}
