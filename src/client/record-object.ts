/** A version's plaintext object: a header that says what it is, the content, and zero padding to a size class. */

import { MAX_PLAINTEXT_LENGTH, objectLength, padme } from '../crypto/object-stream.ts'
import { concat, equalBytes, u32 } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { sha256, sha256Stream } from '../encoding/hash.ts'
import { type Dictionary, findDictionary } from '../fragments/dictionary/dictionary.ts'
import { MAX_CIPHERTEXT_BYTES, type ObjectHeader, objectHeaderCodec } from '../fragments/formats.ts'
import { compress, decompress } from './heavy.ts'

/** Content up to this length is compressed, in memory; longer content is mostly compressed already and is streamed as it is. */
const COMPRESS_BYTES = 16 * 1024 * 1024
/** Longest content that is decompressed, in bytes. */
const MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024
const ZEROS = new Uint8Array(64 * 1024)

/** Content of a record, readable more than once: an author reads it to hash it, to disperse it, and to send it. */
export interface Content {
  /** Length in bytes. */
  readonly size: number
  /** One pass over it. Each piece is memory of its own: whoever takes it may keep it. */
  open(): AsyncIterable<Uint8Array>
}

/** Bytes in memory as the content of a record. */
export function contentOf(bytes: Uint8Array): Content {
  return {
    size: bytes.length,
    async *open() {
      if (bytes.length > 0) yield bytes
    },
  }
}

/** Content as it will be stored, and what its header must say of it. */
export interface PreparedContent {
  readonly stored: Content
  readonly encoding: ObjectHeader['encoding']
  /** Hash of the dictionary with which it is compressed, if with one. */
  readonly dictionary: ObjectHeader['dictionary']
  readonly size: number
  readonly contentHash: Uint8Array
  /** SHA-256 of `stored`: another compressor may make other bytes, of the same length, of the same content. */
  readonly storedHash: Uint8Array
}

/**
 * The dictionary with which content of this type is compressed: the first of those that the network accepts, where this version knows
 * it. Other types than FHIR's gain nothing by it, and their headers would be longer.
 * @param accepted hashes, from the network's parameters, the preferred one first
 * @param wanted hash of the one to take, or null for none, instead of the first
 * @throws EpioneError `dictionary-not-accepted` where the network does not accept the one that is wanted, `unknown-dictionary` where
 * this version does not know it
 */
export function chooseDictionary(mediaType: string, accepted: readonly Uint8Array[], wanted?: Uint8Array | null): Dictionary | null {
  if (wanted === null) return null
  if (wanted !== undefined && !accepted.some(hash => equalBytes(hash, wanted))) {
    throw new EpioneError('dictionary-not-accepted', 'This network does not accept the compression dictionary: nothing is written with it.')
  }
  if (wanted !== undefined && findDictionary(wanted) === undefined) throw unknownDictionary()
  if (!JSON_TYPE.test(mediaType)) return null
  for (const hash of wanted === undefined ? accepted : [wanted]) {
    const dictionary = findDictionary(hash)
    if (dictionary !== undefined) return dictionary
  }
  return null
}

/** JSON, and what is written in it (RFC 6839). */
const JSON_TYPE = /^application\/(?:[^;]+\+)?json\b/

function unknownDictionary(): EpioneError {
  return new EpioneError(
    'unknown-dictionary',
    'The record is compressed with a dictionary that this version of the program does not know: use a newer one.',
  )
}

/** Bytes that are compared at a time with those of the first pass. */
const PIECE_BYTES = 1024 * 1024

/**
 * Content that gives in every pass the bytes of the first one, or an error before any other byte: what is encrypted again under
 * the same key must be the same. A piece is given once the hash of all up to its end is the one of the first pass: a pass costs
 * one hash and no copy. Memory holds one piece, and 32 bytes for each.
 */
class PinnedContent implements Content {
  readonly size: number
  readonly #content: Content
  /** Hash of the content up to the end of each piece; the last one is of all of it. */
  readonly #hashes: Uint8Array[] = []

  constructor(content: Content) {
    this.size = content.size
    this.#content = content
  }

  /** The first pass, to be run once: notes the hashes. Gives that of all of it. @throws EpioneError `content-changed` where its length is another */
  async pin(): Promise<Uint8Array> {
    for await (const { hash } of inPieces(this.#content)) this.#hashes.push(hash)
    return this.#hashes.at(-1) as Uint8Array
  }

  /** @throws EpioneError `content-changed` */
  async *open(): AsyncGenerator<Uint8Array> {
    let position = 0
    for await (const { parts, hash } of inPieces(this.#content)) {
      const pinned = this.#hashes[position++]
      if (pinned === undefined || !equalBytes(hash, pinned)) throw contentChanged()
      yield* parts
    }
    if (position !== this.#hashes.length) throw contentChanged()
  }
}

/** Content in pieces of one length, as the parts in which it came, each with the hash of all up to its end; the last one is shorter, or empty. */
async function* inPieces(content: Content): AsyncGenerator<{ parts: readonly Uint8Array[]; hash: Uint8Array }> {
  const hash = sha256Stream()
  let parts: Uint8Array[] = []
  let filled = 0
  let size = 0
  for await (const part of content.open()) {
    size += part.length
    if (size > content.size) throw contentChanged()
    for (let at = 0; at < part.length; ) {
      const taken = part.subarray(at, at + PIECE_BYTES - filled)
      hash.update(taken)
      parts.push(taken)
      filled += taken.length
      at += taken.length
      if (filled < PIECE_BYTES) continue
      yield { parts, hash: hash.digestSoFar() }
      parts = []
      filled = 0
    }
  }
  if (size !== content.size) throw contentChanged()
  yield { parts, hash: hash.digest() }
}

function contentChanged(): EpioneError {
  return new EpioneError('content-changed', 'The content changed while it was read; nothing was stored.')
}

/** Hashes the content, and compresses it where that pays. */
export async function prepareContent(content: Content, dictionary: Dictionary | null = null): Promise<PreparedContent> {
  const { size } = content
  if (size > COMPRESS_BYTES) {
    const stored = new PinnedContent(content)
    const contentHash = await stored.pin()
    return { stored, encoding: 'identity', dictionary: null, size, contentHash, storedHash: contentHash }
  }
  const parts: Uint8Array[] = []
  let taken = 0
  for await (const part of content.open()) {
    parts.push(part)
    taken += part.length
    if (taken > size) throw contentChanged()
  }
  if (taken !== size) throw contentChanged()
  const bytes = concat(...parts)
  const contentHash = sha256(bytes)
  const compressed = await compress(bytes, dictionary?.bytes)
  if (compressed.length < bytes.length) {
    return {
      stored: contentOf(compressed),
      encoding: 'zstd',
      dictionary: dictionary?.hash ?? null,
      size,
      contentHash,
      storedHash: sha256(compressed),
    }
  }
  return { stored: contentOf(bytes), encoding: 'identity', dictionary: null, size, contentHash, storedHash: contentHash }
}

/** Length of the plaintext object, padding included. */
export function objectPlaintextLength(header: Uint8Array, storedSize: number): number {
  return padme(4 + header.length + storedSize)
}

/** Longest content that fits into a version, in bytes: its object, padded and encrypted, has at most {@link MAX_CIPHERTEXT_BYTES}. */
export const MAX_CONTENT_BYTES = longestContent()

function longestContent(): number {
  const fits = (size: number): boolean => {
    const plaintext = 4 + objectHeaderCodec.maxBytes + size
    // Padding adds up to 12 %, and is defined up to 2^40 bytes.
    return (
      plaintext <= MAX_PLAINTEXT_LENGTH &&
      padme(plaintext) <= MAX_PLAINTEXT_LENGTH &&
      objectLength(padme(plaintext)) <= MAX_CIPHERTEXT_BYTES
    )
  }
  let low = 0
  let high = MAX_CIPHERTEXT_BYTES
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (fits(middle)) low = middle
    else high = middle
  }
  return low
}

/** The plaintext object: length of the header, the header, the content, zeros. */
export async function* objectPlaintext(header: Uint8Array, stored: Content): AsyncGenerator<Uint8Array> {
  yield concat(u32(header.length), header)
  yield* stored.open()
  let padding = objectPlaintextLength(header, stored.size) - 4 - header.length - stored.size
  while (padding > 0) {
    const piece = ZEROS.subarray(0, Math.min(padding, ZEROS.length))
    yield piece
    padding -= piece.length
  }
}

function malformed(why: string): never {
  throw new EpioneError('malformed-object', `The record's content is not as its author committed to it: ${why}.`)
}

/** Splits a stream of plaintext: gives the header first, then the content as it was given to the author, checked at its end. */
export async function readObject(
  plaintext: AsyncIterable<Uint8Array>,
): Promise<{ header: ObjectHeader; headerBytes: Uint8Array; content: AsyncGenerator<Uint8Array> }> {
  const source = plaintext[Symbol.asyncIterator]()
  let buffer: Uint8Array = new Uint8Array(0)
  const fill = async (length: number): Promise<void> => {
    while (buffer.length < length) {
      const { value, done } = await source.next()
      if (done === true) malformed('it ends in its header')
      buffer = concat(buffer, value as Uint8Array)
    }
  }
  await fill(4)
  const length = new DataView(buffer.buffer, buffer.byteOffset).getUint32(0)
  if (length > objectHeaderCodec.maxBytes) malformed('its header is too long')
  await fill(4 + length)
  const headerBytes = buffer.slice(4, 4 + length)
  const header = objectHeaderCodec.decode(headerBytes)
  const rest = buffer.slice(4 + length)
  return { header, headerBytes, content: checkedContent(header, storedContent(header, rest, source)) }
}

/** The stored bytes after the header; the padding behind them is read to its end, so that the whole object is authenticated. */
async function* storedContent(header: ObjectHeader, first: Uint8Array, source: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = header.storedSize
  let piece: Uint8Array | undefined = first
  for (;;) {
    const taken = piece.subarray(0, left)
    left -= taken.length
    if (taken.length > 0) yield taken
    if (piece.subarray(taken.length).some(byte => byte !== 0)) malformed('its padding is not zero')
    const next: IteratorResult<Uint8Array> = await source.next()
    if (next.done === true) break
    piece = next.value
  }
  if (left > 0) malformed('it is shorter than its header says')
}

async function* checkedContent(header: ObjectHeader, stored: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  const hash = sha256Stream()
  let size = 0
  const take = (piece: Uint8Array): Uint8Array => {
    hash.update(piece)
    size += piece.length
    return piece
  }
  if (header.encoding === 'zstd') {
    if (header.storedSize > COMPRESS_BYTES || header.size > MAX_DECOMPRESSED_BYTES) malformed('it is longer than compressed content may be')
    const dictionary = header.dictionary === null ? null : findDictionary(header.dictionary)
    if (dictionary === undefined) throw unknownDictionary()
    const parts: Uint8Array[] = []
    for await (const part of stored) parts.push(part.slice())
    const bytes = await decompress(concat(...parts), header.size, dictionary?.bytes).catch(() => malformed('it does not decompress'))
    if (bytes.length > 0) yield take(bytes)
  } else {
    if (header.dictionary !== null) malformed('it names a dictionary and is not compressed')
    for await (const piece of stored) yield take(piece)
  }
  if (size !== header.size || !equalBytes(hash.digest(), header.contentHash)) malformed('its hash is another')
}
