/** `net.json`: all that is to know about a testnet, for programs, and for stopping it after a crash. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { EpioneError } from '../../src/encoding/errors.ts'

const MAX_BYTES = 1024 * 1024

const nodeSchema = z.strictObject({
  /** `node1` and so on. */
  id: z.string().regex(/^node\d+$/),
  /** Name of the organisation. */
  name: z.string(),
  jurisdiction: z.string(),
  validator: z.boolean(),
  /** Account of the organisation, in hex. */
  account: z.string(),
  peerId: z.string(),
  /** TCP, then WebSockets; each with the peer's id. */
  addresses: z.array(z.string()),
  home: z.string(),
  log: z.string(),
  /** Process that was started last, and when it began (see processStart); null before the first start and after a stop. */
  process: z.strictObject({ pid: z.int().min(1), start: z.string(), startedAt: z.string() }).nullable(),
})

const manifestSchema = z.strictObject({
  schemaVersion: z.literal(1),
  network: z.string(),
  chainId: z.string(),
  seed: z.int(),
  basePort: z.int(),
  validators: z.int(),
  full: z.int(),
  directory: z.string(),
  genesis: z.string(),
  passphraseFile: z.string(),
  nodes: z.array(nodeSchema),
})

export type ManifestNode = z.infer<typeof nodeSchema>
export type Manifest = z.infer<typeof manifestSchema>

export function manifestPath(dir: string): string {
  return join(dir, 'net.json')
}

/** Synchronous, so that no crash lies between the start of a process and the note of its id. */
export function writeManifest(manifest: Manifest): void {
  const path = manifestPath(manifest.directory)
  const temporary = `${path}.${process.pid}.tmp`
  writeFileSync(temporary, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 })
  renameSync(temporary, path)
}

/** The manifest in a folder, or null where there is none. @throws EpioneError `config-invalid` */
export function readManifest(dir: string): Manifest | null {
  const path = manifestPath(dir)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw new EpioneError('file-unreadable', `${path} cannot be read (${code})`, { cause: error })
  }
  try {
    if (text.length > MAX_BYTES) throw new Error('it is too long')
    return manifestSchema.parse(JSON.parse(text))
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : error instanceof Error ? error.message : 'not readable'
    throw new EpioneError('config-invalid', `${path} is not a testnet's: ${reason}`, { cause: error })
  }
}

/** @throws EpioneError `testnet-missing`, `config-invalid` */
export function requireManifest(dir: string): Manifest {
  const manifest = readManifest(dir)
  if (manifest === null)
    throw new EpioneError('testnet-missing', `there is no testnet in ${dir}; make one with: epione testnet up --dir ${dir}`)
  return manifest
}
