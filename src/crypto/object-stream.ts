/**
 * Encryption of record objects: a committing AEAD in chunks, so that memory stays flat and nothing is released unchecked.
 *
 * object = salt (32) || commitment (32) || chunks. Keys = HKDF-SHA-256(DEK, salt): 32 bytes encrypt, 32 commit to the key,
 * for AES-GCM alone opens one ciphertext under two keys. A chunk is 256 KiB of plaintext under AES-256-GCM with the STREAM
 * nonce (Hoang, Reyhanitabar, Rogaway, Vizar 2015): seven zero bytes, the chunk's index (u32be), and 1 on the last chunk.
 * An empty plaintext is one empty chunk.
 *
 * Salt and DEK determine the keystream. A DEK is random and serves one object; the same plaintext may be encrypted again
 * under the same salt and gives the same bytes (one pass to hash, one to send), a different plaintext never may.
 */
import { concat, u32, utf8 } from '../encoding/bytes.ts'
import { EpioneError, MalformedError } from '../encoding/errors.ts'
import { hkdf } from './kdf.ts'
import { AEAD_TAG_LENGTH, chunkCipher, constantTimeEqual } from './platform.ts'

export const OBJECT_CHUNK_LENGTH = 256 * 1024
export const OBJECT_KEY_LENGTH = 32
export const OBJECT_SALT_LENGTH = 32
/** Salt and commitment. */
export const OBJECT_HEADER_LENGTH = 64
/** Longest plaintext of one object: 1 TiB, well inside AES-GCM's bounds for one key. */
export const MAX_PLAINTEXT_LENGTH = 2 ** 40

const SEALED_CHUNK_LENGTH = OBJECT_CHUNK_LENGTH + AEAD_TAG_LENGTH
const NO_AAD = new Uint8Array(0)
const OBJECT_INFO = utf8('object')
const COMMITMENT_INFO = utf8('commitment')

function chunkCount(plaintextLength: number): number {
  return Math.max(1, Math.ceil(plaintextLength / OBJECT_CHUNK_LENGTH))
}

/** Length in bytes of the object that a plaintext becomes. @throws EpioneError `length-invalid` */
export function objectLength(plaintextLength: number): number {
  if (!Number.isSafeInteger(plaintextLength) || plaintextLength < 0 || plaintextLength > MAX_PLAINTEXT_LENGTH) {
    throw new EpioneError('length-invalid', 'an object holds 0 to 2^40 bytes', { metadata: { plaintextLength } })
  }
  return OBJECT_HEADER_LENGTH + plaintextLength + chunkCount(plaintextLength) * AEAD_TAG_LENGTH
}

/** Inverse of {@link objectLength}. @throws MalformedError where no plaintext gives an object of this length. */
export function plaintextLengthOf(ciphertextLength: number): number {
  const body = ciphertextLength - OBJECT_HEADER_LENGTH
  const length = body - Math.ceil(body / SEALED_CHUNK_LENGTH) * AEAD_TAG_LENGTH
  if (!Number.isSafeInteger(body) || length < 0 || length > MAX_PLAINTEXT_LENGTH || objectLength(length) !== ciphertextLength) {
    throw new MalformedError('no object has this length', { ciphertextLength })
  }
  return length
}

/**
 * Padmé (Nikitin et al., PETS 2019): the length to which `length` is padded so that it leaks O(log log length) bits, at
 * most 12 % more; never below 256 bytes.
 */
export function padme(length: number): number {
  if (!Number.isSafeInteger(length) || length < 0 || length > MAX_PLAINTEXT_LENGTH) {
    throw new EpioneError('length-invalid', 'a length to pad is 0 to 2^40 bytes', { metadata: { length } })
  }
  if (length <= 256) return 256
  const exponent = floorLog2(length)
  const step = 2 ** (exponent - (floorLog2(exponent) + 1))
  return Math.ceil(length / step) * step
}

function floorLog2(value: number): number {
  let exponent = 0
  while (2 ** (exponent + 1) <= value) exponent++
  return exponent
}

/** Salt of the commitment to a version's plaintext: who holds the version's key can derive it, nobody else. */
export function commitmentSalt(dek: Uint8Array): Uint8Array {
  assertKey(dek)
  return hkdf(dek, NO_AAD, COMMITMENT_INFO, 32)
}

function assertKey(dek: Uint8Array): void {
  if (dek.length !== OBJECT_KEY_LENGTH) {
    throw new EpioneError('key-length', `an object key has ${OBJECT_KEY_LENGTH} bytes`, { metadata: { length: dek.length } })
  }
}

interface ObjectKeys {
  readonly encryption: Uint8Array
  readonly commitment: Uint8Array
}

function deriveKeys(dek: Uint8Array, salt: Uint8Array): ObjectKeys {
  assertKey(dek)
  const keys = hkdf(dek, salt, OBJECT_INFO, 64)
  return { encryption: keys.subarray(0, 32), commitment: keys.subarray(32) }
}

function chunkNonce(index: number, last: boolean): Uint8Array {
  const nonce = new Uint8Array(12)
  nonce.set(u32(index), 7)
  nonce[11] = last ? 1 : 0
  return nonce
}

/**
 * Encrypts `plaintextLength` bytes of the source, however it is cut, into the object: the header first, then whole chunks.
 * Memory holds one chunk. Deterministic in all inputs.
 * @throws EpioneError `length-mismatch` where the source gives fewer or more bytes; the last chunk is then not given out.
 */
export async function* encryptObject(
  dek: Uint8Array,
  salt: Uint8Array,
  plaintext: AsyncIterable<Uint8Array>,
  plaintextLength: number,
): AsyncGenerator<Uint8Array> {
  objectLength(plaintextLength)
  if (salt.length !== OBJECT_SALT_LENGTH) {
    throw new EpioneError('salt-length', `an object salt has ${OBJECT_SALT_LENGTH} bytes`, { metadata: { length: salt.length } })
  }
  const keys = deriveKeys(dek, salt)
  const reader = new PieceReader(plaintext)
  try {
    yield concat(salt, keys.commitment)
    const cipher = chunkCipher(keys.encryption)
    const count = chunkCount(plaintextLength)
    for (let index = 0; index < count; index++) {
      const last = index === count - 1
      const piece = await reader.read(Math.min(OBJECT_CHUNK_LENGTH, plaintextLength - index * OBJECT_CHUNK_LENGTH))
      if (piece === undefined) throw lengthMismatch(plaintextLength)
      const sealed = await cipher.seal(chunkNonce(index, last), piece)
      if (last && !(await reader.atEnd())) throw lengthMismatch(plaintextLength)
      yield sealed
    }
  } finally {
    await reader.close()
  }
}

/**
 * Decrypts an object, however its source is cut, chunk by chunk: a chunk is given out only after its tag is checked, the
 * last one only when the source ends with it. Memory holds one chunk.
 * @throws EpioneError `decryption-failed` where key and bytes do not belong together, or bytes were cut, added, moved or changed.
 */
export async function* decryptObject(
  dek: Uint8Array,
  ciphertext: AsyncIterable<Uint8Array>,
  ciphertextLength: number,
): AsyncGenerator<Uint8Array> {
  assertKey(dek)
  const plaintextLength = lengthOrUndefined(ciphertextLength)
  if (plaintextLength === undefined) throw decryptionFailed()
  const reader = new PieceReader(ciphertext)
  try {
    const header = await reader.read(OBJECT_HEADER_LENGTH)
    if (header === undefined) throw decryptionFailed()
    const keys = deriveKeys(dek, header.subarray(0, OBJECT_SALT_LENGTH))
    if (!constantTimeEqual(keys.commitment, header.subarray(OBJECT_SALT_LENGTH))) throw decryptionFailed()
    const cipher = chunkCipher(keys.encryption)
    const count = chunkCount(plaintextLength)
    for (let index = 0; index < count; index++) {
      const last = index === count - 1
      const length = Math.min(OBJECT_CHUNK_LENGTH, plaintextLength - index * OBJECT_CHUNK_LENGTH)
      const sealed = await reader.read(length + AEAD_TAG_LENGTH)
      const opened = sealed === undefined ? undefined : await cipher.open(chunkNonce(index, last), sealed)
      if (opened === undefined || (last && !(await reader.atEnd()))) throw decryptionFailed()
      if (opened.length > 0) yield opened
    }
  } finally {
    await reader.close()
  }
}

function lengthOrUndefined(ciphertextLength: number): number | undefined {
  try {
    return plaintextLengthOf(ciphertextLength)
  } catch {
    return undefined
  }
}

function lengthMismatch(expected: number): EpioneError {
  return new EpioneError('length-mismatch', 'the source does not give the stated number of bytes; it changed while it was read', {
    metadata: { expected },
  })
}

function decryptionFailed(): EpioneError {
  return new EpioneError('decryption-failed', 'the object does not decrypt: its bytes are damaged or incomplete, or the key is another')
}

/**
 * Cuts a source into pieces of wanted lengths. A piece may be a view into the source's own bytes, so it is used up before
 * the next read.
 */
class PieceReader {
  readonly #source: AsyncIterator<Uint8Array>
  #pending: Uint8Array = NO_AAD
  #done = false

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** Exactly `length` bytes, or `undefined` where the source ends before. */
  async read(length: number): Promise<Uint8Array | undefined> {
    if (this.#pending.length < length) {
      const gathered = new Uint8Array(length)
      let filled = 0
      while (filled < length) {
        if (this.#pending.length === 0 && !(await this.#pull())) return undefined
        const part = this.#pending.subarray(0, length - filled)
        gathered.set(part, filled)
        filled += part.length
        this.#pending = this.#pending.subarray(part.length)
      }
      return gathered
    }
    const piece = this.#pending.subarray(0, length)
    this.#pending = this.#pending.subarray(length)
    return piece
  }

  async atEnd(): Promise<boolean> {
    return this.#pending.length === 0 && !(await this.#pull())
  }

  /** Tells a source that was not read to its end that nobody will. */
  async close(): Promise<void> {
    if (this.#done) return
    this.#done = true
    await this.#source.return?.()
  }

  /** Next bytes that are not empty; false at the end. */
  async #pull(): Promise<boolean> {
    while (!this.#done) {
      let next: IteratorResult<Uint8Array>
      try {
        next = await this.#source.next()
      } catch (error) {
        this.#done = true
        throw error
      }
      if (next.done === true) {
        this.#done = true
        return false
      }
      if (next.value.length > 0) {
        this.#pending = next.value
        return true
      }
    }
    return false
  }
}
