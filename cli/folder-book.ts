/**
 * The folders that this home may write into, with their labels and the salts of their commitments: what an organisation keeps from an
 * enrolment. `folders.json` in the home, readable by its owner alone. It says nothing about whose folders they are.
 */
import { mkdir, open, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { FolderAddress } from '../src/client/folders.ts'
import type { Label } from '../src/contracts/folders-formats.ts'
import { equalBytes, parseHex, toHex } from '../src/encoding/bytes.ts'
import { EpioneError } from '../src/encoding/errors.ts'
import { readBoundedFile } from '../src/node/config-file.ts'
import { LABEL_CHOICES } from './vocabulary.ts'

/** Longest book that is read: about 400 000 folders. */
const MAX_BOOK_BYTES = 64 * 1024 * 1024

const bookPath = (home: string): string => join(home, 'folders.json')

/** All folders of the book, in the order of their enrolment. @throws EpioneError `folder-book-invalid` */
export async function readFolders(home: string): Promise<FolderAddress[]> {
  const path = bookPath(home)
  const text = await readBoundedFile(path, MAX_BOOK_BYTES)
  if (text === null) return []
  try {
    const value: unknown = JSON.parse(text)
    const folders = (value as { version?: unknown; folders?: unknown }).version === 1 ? (value as { folders?: unknown }).folders : null
    if (!Array.isArray(folders)) throw new Error('shape')
    return folders.map(parseAddress)
  } catch (error) {
    throw new EpioneError('folder-book-invalid', `${path} is not an intact list of folders; restore it from a backup`, {
      metadata: { path },
      cause: error,
    })
  }
}

/** One folder of the book. @throws EpioneError `folder-unknown` */
export async function findFolder(home: string, id: Uint8Array): Promise<FolderAddress> {
  const found = (await readFolders(home)).find(folder => equalBytes(folder.id, id))
  if (found === undefined) {
    throw new EpioneError('folder-unknown', `${bookPath(home)} has no folder ${toHex(id)}; folders come into it by epione enroll accept`)
  }
  return found
}

/** Adds folders that are not in the book yet; whole or not at all. */
export async function addFolders(home: string, added: readonly FolderAddress[]): Promise<void> {
  const folders = await readFolders(home)
  for (const one of added) if (!folders.some(folder => equalBytes(folder.id, one.id))) folders.push(one)
  await writeFolders(home, folders)
}

/** Notes a folder, in the place of what was noted of it before: its label has another salt. */
export async function replaceFolder(home: string, changed: FolderAddress): Promise<void> {
  const others = (await readFolders(home)).filter(({ id }) => !equalBytes(id, changed.id))
  await writeFolders(home, [...others, changed])
}

async function writeFolders(home: string, folders: readonly FolderAddress[]): Promise<void> {
  const path = bookPath(home)
  const rows = folders.map(({ id, label, labelSalt }) => ({ id: toHex(id), label, labelSalt: toHex(labelSalt) }))
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${process.pid}.tmp`
  const handle = await open(temporary, 'w', 0o600)
  try {
    await handle.writeFile(`${JSON.stringify({ version: 1, folders: rows }, null, 2)}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, path)
}

function parseAddress(row: unknown): FolderAddress {
  const { id, label, labelSalt } = row as Record<string, unknown>
  const hash = (value: unknown): Uint8Array => {
    const bytes = typeof value === 'string' ? parseHex(value) : undefined
    if (bytes?.length !== 32) throw new Error('hash')
    return bytes
  }
  if (!(LABEL_CHOICES as readonly unknown[]).includes(label)) throw new Error('label')
  return { id: hash(id), label: label as Label, labelSalt: hash(labelSalt) }
}
