/**
 * Large uploads that are not anchored yet, in the home: `uploads/<hash>.sealed`, one for each file and folder, encrypted to the
 * author's own key. Custodians keep what they have of them for an hour; a journal that is older than a day is removed.
 */
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { JournalStore } from '../src/client/upload-journal.ts'
import { toHex, utf8 } from '../src/encoding/bytes.ts'
import { sha256 } from '../src/encoding/hash.ts'
import { writePrivateFile } from './private-file.ts'

/** Longest journal that is read, in bytes. */
const MAX_BYTES = 4 * 1024 * 1024
const MAX_AGE_MS = 24 * 60 * 60 * 1000

export interface UploadFile extends JournalStore {
  /** Whether there is one now. */
  exists(): Promise<boolean>
}

/** The journal of an upload. `what` tells it from others: the folder, the file's path, and what else is said of it. */
export function uploadFile(home: string, what: readonly string[]): UploadFile {
  const dir = join(home, 'uploads')
  const path = join(dir, `${toHex(sha256(utf8(JSON.stringify(what)))).slice(0, 32)}.sealed`)
  const exists = async (): Promise<boolean> => {
    const found = await stat(path).catch(() => null)
    return found !== null && found.size <= MAX_BYTES && found.mtimeMs > Date.now() - MAX_AGE_MS
  }
  return {
    exists,
    load: async () => ((await exists()) ? new Uint8Array(await readFile(path)) : null),
    save: async sealed => {
      await mkdir(dir, { recursive: true, mode: 0o700 })
      await removeOld(dir)
      await writePrivateFile(path, [sealed])
    },
    clear: async () => await rm(path, { force: true }),
  }
}

async function removeOld(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    const path = join(dir, name)
    const found = await stat(path).catch(() => null)
    if (found !== null && found.mtimeMs <= Date.now() - MAX_AGE_MS) await rm(path, { force: true })
  }
}
