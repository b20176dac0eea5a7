/**
 * The records that this home has written, with their newest versions, so that a correction gets the next number: an author may not
 * read what it wrote. `records/<folder>.jsonl` in the home, one line for each submission; it holds random ids alone.
 */
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { equalBytes, parseHex, toHex } from '../src/encoding/bytes.ts'
import { EpioneError } from '../src/encoding/errors.ts'
import { readBoundedFile } from '../src/node/config-file.ts'

/** Longest book that is read: the records of about 700 000 versions. */
const MAX_BOOK_BYTES = 64 * 1024 * 1024

export interface WrittenRecord {
  readonly recordId: Uint8Array
  readonly version: number
}

const bookPath = (home: string, folder: Uint8Array): string => join(home, 'records', `${toHex(folder)}.jsonl`)

/** Notes what was written. The line begins with a line's end, so that one that a crash tore takes no other with it. */
export async function noteRecords(home: string, folder: Uint8Array, written: readonly WrittenRecord[]): Promise<void> {
  const path = bookPath(home, folder)
  await mkdir(join(home, 'records'), { recursive: true, mode: 0o700 })
  const handle = await open(path, 'a', 0o600)
  try {
    await handle.write(`\n${JSON.stringify(written.map(({ recordId, version }) => [toHex(recordId), version]))}`)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Newest version of a record that this home has written, or null. @throws EpioneError `file-too-large`, `file-unreadable` */
export async function newestWritten(home: string, folder: Uint8Array, recordId: Uint8Array): Promise<number | null> {
  const text = (await readBoundedFile(bookPath(home, folder), MAX_BOOK_BYTES)) ?? ''
  let newest: number | null = null
  for (const line of text.split('\n')) {
    for (const [id, version] of readLine(line)) {
      if (equalBytes(id, recordId) && (newest === null || version > newest)) newest = version
    }
  }
  return newest
}

/** What a line says; nothing where it is torn. */
function readLine(line: string): [Uint8Array, number][] {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return []
  }
  if (!Array.isArray(value)) return []
  return (value as unknown[]).flatMap(pair => {
    const [id, version] = Array.isArray(pair) ? (pair as unknown[]) : []
    const bytes = typeof id === 'string' ? parseHex(id) : undefined
    return bytes?.length === 32 && Number.isSafeInteger(version) ? [[bytes, version as number] as [Uint8Array, number]] : []
  })
}

/** The number of a record's next version. @throws EpioneError `version-unknown` */
export async function nextVersion(home: string, folder: Uint8Array, recordId: Uint8Array): Promise<number> {
  const newest = await newestWritten(home, folder, recordId)
  if (newest === null) {
    throw new EpioneError(
      'version-unknown',
      `this home has not written record ${toHex(recordId)} into this folder; say with --record-version which version this is`,
    )
  }
  return newest + 1
}
