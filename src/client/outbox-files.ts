/** An outbox's entries where they outlive the process or the page: files of a folder in Node, IndexedDB in a browser. */
import type { OutboxStore } from './outbox.ts'
import { openEntries } from './platform.ts'

/**
 * Opens the store of an outbox, making it at first. In Node `place` is a folder, which one process at a time may have open; what it holds is on the disk, whole or not
 * at all, when a call settles. In a browser it is the name of a database of the page's origin, see `openKeptValues`.
 * @throws EpioneError `outbox-in-use` where another process has it open, `storage-failed`
 */
export async function openOutboxStore(place: string): Promise<OutboxStore & { close(): Promise<void> }> {
  return await openEntries(place)
}
