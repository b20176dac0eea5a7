/** The folder of an export: what belongs into it, and how a started one goes on. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { EpioneError } from '../src/encoding/errors.ts'
import { readBoundedFile } from '../src/node/config-file.ts'
import { writePrivateFile } from './private-file.ts'

/** Made last: an export without it is not finished. */
export const MANIFEST = 'manifest.json'
/** Longest list of versions of one folder that is read. */
const MAX_LIST_BYTES = 512 * 1024 * 1024

const hex = z.string().regex(/^[0-9a-f]*$/)
const versionSchema = z.object({
  record: hex,
  version: z.number(),
  submission: hex,
  class: z.string(),
  dataTimeMs: z.number().nullable(),
  writtenMs: z.number(),
  author: hex,
  role: z.string(),
  mediaType: z.string(),
  kind: z.enum(['record', 'manifest']),
  title: z.string(),
  path: z.string().regex(/^records\/[0-9a-z.-]+$/),
  bytes: z.number(),
  sha256: hex,
  proof: z.object({
    submission: hex,
    leaf: z.number(),
    total: z.number(),
    versionLeaf: hex,
    header: hex,
    commitmentSalt: hex,
    place: hex.nullable().default(null),
  }),
})
/** A version in an export. */
export type ExportedVersion = z.infer<typeof versionSchema>

const manifestSchema = z.object({
  schemaVersion: z.literal(1),
  chainId: hex,
  createdMs: z.number(),
  folders: z.array(z.object({ folder: hex, label: z.string(), author: z.string() })).max(100_000),
  files: z.array(z.object({ path: z.string(), bytes: z.number(), sha256: hex })).max(10_000_000),
})
export type ExportManifest = z.infer<typeof manifestSchema>

/** Name of a folder's part of the export. */
export const folderDir = (folder: string): string => join('folders', folder.slice(0, 32))

/** Makes the folder, or goes on with an unfinished export in it. @throws EpioneError `export-exists` */
export async function beginExport(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const names = await readdir(dir)
  if (names.includes(MANIFEST)) throw new EpioneError('export-exists', `${dir} holds an export already; name another folder`)
  const strange = names.filter(name => !['folders', 'index.html', 'genesis.json'].includes(name))
  if (strange.length > 0) throw new EpioneError('export-exists', `${dir} holds other things, such as ${strange[0]}; name an empty folder`)
}

/** Versions of a folder that are in the export already, each with its file. */
export async function exportedVersions(dir: string): Promise<ExportedVersion[]> {
  const text = (await readBoundedFile(join(dir, 'versions.jsonl'), MAX_LIST_BYTES)) ?? ''
  // What was written again has a later line; the last one counts.
  const found = new Map<string, ExportedVersion>()
  for (const line of text.split('\n')) {
    const version = parseLine(line)
    if (version === undefined) continue
    const file = await stat(join(dir, version.path)).catch(() => null)
    if (file?.size === version.bytes) found.set(version.path, version)
  }
  return [...found.values()]
}

/** A line that a crash tore is none. */
function parseLine(line: string): ExportedVersion | undefined {
  try {
    return line === '' ? undefined : versionSchema.parse(JSON.parse(line))
  } catch {
    return undefined
  }
}

/** Notes a version whose file is whole. The line begins with a line's end, so that one that a crash tore takes no other with it. */
export async function noteVersion(dir: string, version: ExportedVersion): Promise<void> {
  const handle = await open(join(dir, 'versions.jsonl'), 'a', 0o600)
  try {
    await handle.write(`\n${JSON.stringify(version)}`)
  } finally {
    await handle.close()
  }
}

/** Writes pieces into a file and gives its length and SHA-256. */
export async function writeHashed(
  path: string,
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256')
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      hash.update(piece)
      yield piece
    }
  }
  const bytes = await writePrivateFile(path, hashed())
  return { bytes, sha256: hash.digest('hex') }
}

export async function hashFile(path: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const piece of createReadStream(path)) {
    hash.update(piece as Uint8Array)
    bytes += (piece as Uint8Array).length
  }
  return { bytes, sha256: hash.digest('hex') }
}

/** All files of an export but its manifest, by their paths with slashes, sorted. */
export async function filesOf(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => entry.isFile())
    .map(entry =>
      join(entry.parentPath, entry.name)
        .slice(join(dir, 'x').length - 1)
        .replaceAll('\\', '/'),
    )
    .filter(path => path !== MANIFEST)
    .sort()
}

/** @throws EpioneError `bad-export` */
export async function readManifest(dir: string): Promise<ExportManifest> {
  try {
    return manifestSchema.parse(JSON.parse((await readBoundedFile(join(dir, MANIFEST), MAX_LIST_BYTES)) ?? ''))
  } catch (cause) {
    throw new EpioneError('bad-export', `${dir} holds no finished export; epione export makes one`, { cause })
  }
}
