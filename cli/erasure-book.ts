/**
 * What this home has had erased, so that it can be told later: with the salts gone, nobody else knows which mark of the ledger was of
 * which record. `erasures/<folder>.jsonl` in the home, one line for each order; it holds random ids and marks alone.
 */
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { erasedError, proveErasures } from '../src/client/erased.ts'
import { equalBytes, parseHex, toHex } from '../src/encoding/bytes.ts'
import { readBoundedFile } from '../src/node/config-file.ts'
import type { Context } from './context.ts'
import { homeOf } from './home.ts'
import type { Reading } from './reading.ts'

/** Longest book that is read: about 300 000 versions. */
const MAX_BOOK_BYTES = 64 * 1024 * 1024

export interface ErasedEntry {
  readonly recordId: Uint8Array
  readonly version: number
  readonly submission: Uint8Array
  readonly mark: Uint8Array
}

const bookPath = (home: string, folder: Uint8Array): string => join(home, 'erasures', `${toHex(folder)}.jsonl`)

/** Notes what is about to be erased. The line begins with a line's end, so that one that a crash tore takes no other with it. */
export async function noteErasures(home: string, folder: Uint8Array, entries: readonly ErasedEntry[]): Promise<void> {
  await mkdir(join(home, 'erasures'), { recursive: true, mode: 0o700 })
  const handle = await open(bookPath(home, folder), 'a', 0o600)
  try {
    const line = entries.map(({ recordId, version, submission, mark }) => [toHex(recordId), version, toHex(submission), toHex(mark)])
    await handle.write(`\n${JSON.stringify(line)}`)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** All that this home has noted of a folder. @throws EpioneError `file-too-large`, `file-unreadable` */
export async function readErasures(home: string, folder: Uint8Array): Promise<ErasedEntry[]> {
  const text = (await readBoundedFile(bookPath(home, folder), MAX_BOOK_BYTES)) ?? ''
  return text.split('\n').flatMap(readLine)
}

/** What a line says; nothing where it is torn. */
function readLine(line: string): ErasedEntry[] {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return []
  }
  return (Array.isArray(value) ? (value as unknown[]) : []).flatMap(entry => {
    const [record, version, submission, mark] = Array.isArray(entry) ? (entry as unknown[]) : []
    const [recordId, root, markBytes] = [record, submission, mark].map(id => (typeof id === 'string' ? parseHex(id) : undefined))
    const isWhole = [recordId, root, markBytes].every(id => id?.length === 32) && Number.isSafeInteger(version)
    return isWhole ? [{ recordId, version, submission: root, mark: markBytes } as ErasedEntry] : []
  })
}

/**
 * Says `erased`, with the ledger's proof, where nothing is shown under a name and this home had what bore it erased.
 * @param asked which versions are asked for
 */
export async function refuseErased(
  context: Context,
  { peer, session, listing }: Reading,
  asked: (version: { recordId: Uint8Array; version: number; submission: Uint8Array }) => boolean,
): Promise<void> {
  if (listing.versions.some(({ recordId, version, submission }) => asked({ recordId, version, submission: submission.root }))) return
  const entries = (await readErasures(homeOf(context), session.folder)).filter(asked)
  const marks = [...new Map(entries.map(({ mark }) => [toHex(mark), mark])).values()]
  const [proven] = await proveErasures(peer, session.folder, marks, { signal: context.signal })
  if (proven !== undefined) throw erasedError(proven)
}

/** The entry of a mark. */
export function entryOf(entries: readonly ErasedEntry[], mark: Uint8Array): ErasedEntry | undefined {
  return entries.find(entry => equalBytes(entry.mark, mark))
}
