/**
 * Keys at rest, for Node alone: one JSON file, encrypted under a passphrase.
 *
 * scrypt gives 64 bytes: a key for AES-256-GCM and a commitment to it, which tells a wrong passphrase from damage. The
 * encrypted payload is canonical CBOR, its associated data the file's parameters. The file's checksum is no protection
 * (the tag is): it lets damage be named as damage before a passphrase is asked for.
 */
import { constants } from 'node:fs'
import { type FileHandle, link, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseHex, toHex } from '../encoding/bytes.ts'
import { encodeCanonical } from '../encoding/cbor.ts'
import { EpioneError, MalformedError } from '../encoding/errors.ts'
import { taggedHash } from '../encoding/hash.ts'
import { byteString, codec, fixedBytes, hash32, type Infer, integer, list, oneOf, refine, struct, text } from '../encoding/schema.ts'
import { type ScryptParameters, scryptKey } from './kdf.ts'
import { aesGcmOpen, aesGcmSeal, constantTimeEqual } from './platform.ts'
import { randomBytes } from './random.ts'

/** 128 MiB and about half a second for each guess. */
export const DEFAULT_SCRYPT: ScryptParameters = { N: 2 ** 17, r: 8, p: 1 }

export interface KeystoreOptions {
  /** Cost of the passphrase. Only tests have a reason to go below {@link DEFAULT_SCRYPT}. */
  readonly scrypt?: ScryptParameters
}

const MAX_ENTRIES = 256
const MAX_ENTRY_BYTES = 4096
const MAX_PAYLOAD_BYTES = 128 * 1024
const MAX_FILE_BYTES = 512 * 1024
/** A file may not make this process use more memory (128 * N * r) or time (N * r * p) than these. */
const MAX_SCRYPT_MEMORY = 512 * 1024 * 1024
const MAX_SCRYPT_WORK = 2 ** 23

const payloadCodec = codec(
  refine(
    list(struct({ name: text(64, /^[A-Za-z0-9][A-Za-z0-9._:/-]*$/), value: byteString(MAX_ENTRY_BYTES) }), MAX_ENTRIES),
    'entries in ascending order of distinct names',
    entries => entries.every(({ name }, i) => i === 0 || (entries[i - 1]?.name ?? '') < name),
  ),
  MAX_PAYLOAD_BYTES,
)

const scryptSchema = refine(
  struct({ N: integer(2 ** 24, 2), r: integer(64, 1), p: integer(64, 1) }),
  'scrypt parameters within the bounds',
  ({ N, r, p }) => Number.isInteger(Math.log2(N)) && 128 * N * r <= MAX_SCRYPT_MEMORY && N * r * p <= MAX_SCRYPT_WORK,
)

const fileSchema = struct({
  version: oneOf(1),
  kdf: oneOf('scrypt'),
  scrypt: scryptSchema,
  salt: hash32,
  commitment: hash32,
  cipher: oneOf('aes-256-gcm'),
  nonce: fixedBytes(12),
  ciphertext: byteString(MAX_PAYLOAD_BYTES + 16, 16),
})
type KeystoreFile = Infer<typeof fileSchema>

/**
 * Writes a new keystore, readable by its owner alone. The write is atomic and synced: after a crash there is the whole
 * file or none.
 * @throws EpioneError `keystore-exists` where anything has that name already; `passphrase-empty`; MalformedError for
 * entries outside the bounds (256 entries, names of 64 characters, values of 4 KiB).
 */
export async function createKeystore(
  path: string,
  passphrase: string,
  entries: Readonly<Record<string, Uint8Array>>,
  options: KeystoreOptions = {},
): Promise<void> {
  const contents = await encrypt(passphrase, entries, options)
  await writeSynced(path, contents, async temporary => {
    try {
      // A link, unlike a rename, never replaces what is there.
      await link(temporary, path)
    } catch (error) {
      if (systemCode(error) === 'EEXIST') {
        throw new EpioneError('keystore-exists', `${path} exists already; a keystore is never overwritten`, { metadata: { path } })
      }
      throw error
    }
    await unlink(temporary)
  })
}

/**
 * Reads all entries of a keystore.
 * @throws EpioneError `keystore-missing`; `keystore-permissions` where others than the owner can read or write the file;
 * `keystore-corrupt`; `wrong-passphrase`
 */
export async function openKeystore(path: string, passphrase: string): Promise<Record<string, Uint8Array>> {
  return await decrypt(path, await read(path), passphrase)
}

/** Encrypts a keystore under another passphrase and with fresh salt, atomically. @throws as {@link openKeystore} and `passphrase-empty`. */
export async function changePassphrase(
  path: string,
  oldPassphrase: string,
  newPassphrase: string,
  options: KeystoreOptions = {},
): Promise<void> {
  assertPassphrase(newPassphrase)
  const entries = await openKeystore(path, oldPassphrase)
  const contents = await encrypt(newPassphrase, entries, options)
  await writeSynced(path, contents, temporary => rename(temporary, path))
}

/**
 * Changes what a keystore holds, atomically and with fresh salt, under its passphrase and costs.
 * @throws as {@link openKeystore}; MalformedError for entries outside the bounds
 */
export async function changeEntries(
  path: string,
  passphrase: string,
  change: (entries: Readonly<Record<string, Uint8Array>>) => Readonly<Record<string, Uint8Array>>,
): Promise<void> {
  const before = await read(path)
  const contents = await encrypt(passphrase, change(await decrypt(path, before, passphrase)), { scrypt: before.scrypt })
  await writeSynced(path, contents, temporary => rename(temporary, path))
}

/** Puts other entries into a keystore, as {@link changeEntries} does. */
export async function replaceEntries(path: string, passphrase: string, entries: Readonly<Record<string, Uint8Array>>): Promise<void> {
  await changeEntries(path, passphrase, () => entries)
}

function assertPassphrase(passphrase: string): void {
  if (passphrase.length === 0) throw new EpioneError('passphrase-empty', 'a keystore needs a passphrase')
}

async function encrypt(passphrase: string, entries: Readonly<Record<string, Uint8Array>>, options: KeystoreOptions): Promise<string> {
  assertPassphrase(passphrase)
  const scrypt = options.scrypt ?? DEFAULT_SCRYPT
  scryptSchema.pack(scrypt)
  const names = Object.keys(entries).sort()
  const payload = payloadCodec.encode(names.map(name => ({ name, value: entries[name] ?? new Uint8Array(0) })))
  const salt = randomBytes(32)
  const { key, commitment } = await deriveKeys(passphrase, salt, scrypt)
  const nonce = randomBytes(12)
  const head = { version: 1, kdf: 'scrypt', scrypt, salt, commitment, cipher: 'aes-256-gcm', nonce } as const
  return format({ ...head, ciphertext: aesGcmSeal(key, nonce, associatedData(head), payload) })
}

async function decrypt(path: string, file: KeystoreFile, passphrase: string): Promise<Record<string, Uint8Array>> {
  const { key, commitment } = await deriveKeys(passphrase, file.salt, file.scrypt)
  if (!constantTimeEqual(commitment, file.commitment)) {
    throw new EpioneError('wrong-passphrase', 'the passphrase does not open the keystore', { metadata: { path } })
  }
  const payload = aesGcmOpen(key, file.nonce, associatedData(file), file.ciphertext)
  if (payload === undefined) throw corrupt(path)
  try {
    return Object.fromEntries(payloadCodec.decode(payload).map(({ name, value }) => [name, new Uint8Array(value)]))
  } catch {
    throw corrupt(path)
  }
}

async function deriveKeys(
  passphrase: string,
  salt: Uint8Array,
  scrypt: ScryptParameters,
): Promise<{ key: Uint8Array; commitment: Uint8Array }> {
  const derived = await scryptKey(passphrase, salt, scrypt, 64)
  return { key: derived.subarray(0, 32), commitment: derived.subarray(32) }
}

/** Everything in the file but the ciphertext and its checksum. */
function associatedData(file: Omit<KeystoreFile, 'ciphertext'>): Uint8Array {
  const { version, kdf, scrypt, salt, commitment, cipher, nonce } = file
  return encodeCanonical([version, kdf, scrypt.N, scrypt.r, scrypt.p, salt, commitment, cipher, nonce])
}

function checksum(file: KeystoreFile): Uint8Array {
  return taggedHash('keystore-checksum', associatedData(file), file.ciphertext)
}

function format(file: KeystoreFile): string {
  const json = {
    version: file.version,
    kdf: file.kdf,
    scrypt: file.scrypt,
    salt: toHex(file.salt),
    commitment: toHex(file.commitment),
    cipher: file.cipher,
    nonce: toHex(file.nonce),
    ciphertext: toHex(file.ciphertext),
    checksum: toHex(checksum(file)),
  }
  return `${JSON.stringify(json, null, 2)}\n`
}

function parse(path: string, contents: string): KeystoreFile {
  try {
    const json: unknown = JSON.parse(contents)
    const field = (value: unknown, name: string): unknown =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
    const bytes = (name: string): Uint8Array => {
      const value = field(json, name)
      const parsed = typeof value === 'string' ? parseHex(value) : undefined
      if (parsed === undefined) throw new MalformedError(`${name} is not hex`)
      return parsed
    }
    const number = (name: string): number => {
      const value = field(field(json, 'scrypt'), name)
      if (typeof value !== 'number') throw new MalformedError(`${name} is not a number`)
      return value
    }
    const constant = (name: string): string | number => {
      const value = field(json, name)
      if (typeof value !== 'number' && typeof value !== 'string') throw new MalformedError(`${name} is missing`)
      return value
    }
    const file = fileSchema.unpack(
      [
        constant('version'),
        constant('kdf'),
        [number('N'), number('r'), number('p')],
        bytes('salt'),
        bytes('commitment'),
        constant('cipher'),
        bytes('nonce'),
        bytes('ciphertext'),
      ],
      '',
    )
    if (!constantTimeEqual(checksum(file), bytes('checksum'))) throw new MalformedError('checksum does not match')
    return file
  } catch (error) {
    throw corrupt(path, error)
  }
}

async function read(path: string): Promise<KeystoreFile> {
  let handle: FileHandle
  try {
    // Without O_NONBLOCK, opening a pipe would wait for ever.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      throw new EpioneError('keystore-missing', `there is no keystore at ${path}`, { metadata: { path } })
    }
    throw error
  }
  try {
    const stat = await handle.stat()
    if (!stat.isFile() || stat.size > MAX_FILE_BYTES) throw corrupt(path)
    // Windows has no such bits.
    if (process.platform !== 'win32' && (stat.mode & 0o077) !== 0) {
      throw new EpioneError('keystore-permissions', `others can reach ${path}; run: chmod 600 ${path}`, {
        metadata: { path, mode: (stat.mode & 0o777).toString(8) },
      })
    }
    // One byte more than is allowed, so that a file that grows meanwhile is seen.
    const buffer = new Uint8Array(MAX_FILE_BYTES + 1)
    let length = 0
    while (length < buffer.length) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    if (length > MAX_FILE_BYTES) throw corrupt(path)
    return parse(path, new TextDecoder().decode(buffer.subarray(0, length)))
  } finally {
    await handle.close()
  }
}

/** Writes a synced temporary file beside `path`, lets `place` move it there, and syncs the directory. */
async function writeSynced(path: string, contents: string, place: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.${toHex(randomBytes(8))}.tmp`
  try {
    const handle = await open(temporary, 'wx', 0o600)
    try {
      await handle.writeFile(contents)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await place(temporary)
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw error
  }
  // Windows cannot open a directory; there the file system's journal keeps the name.
  if (process.platform === 'win32') return
  const directory = await open(dirname(path), constants.O_RDONLY)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function corrupt(path: string, cause?: unknown): EpioneError {
  return new EpioneError('keystore-corrupt', `${path} is not an intact keystore; restore it from a backup`, { metadata: { path }, cause })
}

function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
