/** `epione record get` */
import { resolve } from 'node:path'
import { bundleFromVersions, collectionOf, FHIR_MEDIA_TYPE, type FhirVersion, MAX_FHIR_BYTES } from '../../src/client/fhir-records.ts'
import type { ListedVersion, ReadVersion } from '../../src/client/get.ts'
import type { CustodianFailure } from '../../src/client/standings.ts'
import { concat, equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import type { Context } from '../context.ts'
import { namedFailures } from '../custodian-failures.ts'
import { refuseErased } from '../erasure-book.ts'
import { EXIT, exitCodeOf } from '../exit-codes.ts'
import { parseKeepingDigits } from '../fhir-json.ts'
import { type AsOfResult, asOfResult, count, formatBytes } from '../format.ts'
import { describeError } from '../output.ts'
import { MIN_PARTIAL_BYTES, PartialDownload } from '../partial-download.ts'
import { assertWritable, writePrivateFile } from '../private-file.ts'
import { createProgress, type Progress } from '../progress.ts'
import { byRecord, nothingToRead, type Reading, type ReadingOptions, versionsOf, warnIncomplete, withReading } from '../reading.ts'
import { TransferLine } from '../transfer-line.ts'
import { idBytes } from '../wallet-session.ts'

export interface RecordGetOptions extends ReadingOptions {
  /** Exactly one of this, `all` and the argument `record`. */
  submission?: string
  all?: boolean
  recordVersion?: number
  out?: string
}

/** What `--json` prints. */
export interface RecordGetResult {
  /** The record, or null where it was more than one. */
  record: string | null
  submission: string | null
  version: number | null
  mediaType: string
  bytes: number
  /** Whether it is what was written; false for a Bundle of those resources that may be read. */
  whole: boolean
  /** Records that were read and are not in it, for they are files. */
  files: readonly string[]
  /** Custodians that sent something wrong, failed, refused or were too slow, though others made up for it. */
  failures: readonly { custodian: string; name: string; code: string }[]
  /** Path that was written, or null where the content went to standard output. */
  file: string | null
  /** The FHIR resource or Bundle, where no file was named; numbers with the digits that they were written with. */
  content?: unknown
  accessEntry: string
  /** What the answer was proven against: a certified header. */
  asOf: AsOfResult
}

/** Content to be handed over, and what to say of it. */
interface Answer {
  record: string | null
  submission: string | null
  version: number | null
  mediaType: string
  size: number
  whole: boolean
  files: readonly string[]
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
  /** Complete once the pieces are read. */
  failures: readonly CustodianFailure[]
  /** Where a long content is kept while it comes. */
  partial?: { file: PartialDownload; beginning: ReadVersion['beginning'] }
}

/** Content up to this length is printed only once it is checked to its end. */
const HELD_BYTES = MAX_FHIR_BYTES
/** Most bytes of contents that are joined to one Bundle, in memory. */
const MAX_JOINED_BYTES = 256 * 1024 * 1024

export async function recordGet(context: Context, options: RecordGetOptions, record: string | undefined): Promise<void> {
  checkOptions(options, record)
  // Before the access entry, which stays whatever becomes of the read.
  if (options.out !== undefined) await assertWritable(resolve(options.out))
  const { submission, ...rest } = options
  await withReading(context, submission === undefined ? rest : { ...rest, submission: idBytes(submission) }, async reading => {
    const progress = createProgress(context)
    try {
      await refuseErased(context, reading, one =>
        record === undefined
          ? submission !== undefined && equalBytes(one.submission, idBytes(submission))
          : equalBytes(one.recordId, idBytes(record)) && (options.recordVersion ?? one.version) === one.version,
      )
      if (record !== undefined) await getVersion(context, options, reading, chooseVersion(reading, idBytes(record), options), progress)
      else await getDocument(context, options, reading, progress)
    } finally {
      progress.clear()
    }
  })
}

function checkOptions({ submission, all }: RecordGetOptions, record: string | undefined): void {
  const ways = [record, submission, all].filter(way => way !== undefined).length
  if (ways === 1) return
  throw new EpioneError(
    ways === 0 ? 'missing-argument' : 'conflicting-option',
    'say what to read, in one way: the id of a record, --submission <root>, or --all',
  )
}

function chooseVersion({ listing }: Reading, recordId: Uint8Array, { recordVersion }: RecordGetOptions): ListedVersion {
  const versions = versionsOf(listing.versions, recordId)
  const wanted = recordVersion === undefined ? versions.at(-1) : versions.findLast(({ version }) => version === recordVersion)
  return wanted ?? nothingToRead(listing)
}

/** Hands over one version as it was written, in memory that does not grow with it. */
async function getVersion(
  context: Context,
  options: RecordGetOptions,
  reading: Reading,
  wanted: ListedVersion,
  progress: Progress,
): Promise<void> {
  const partial = options.out === undefined ? undefined : await PartialDownload.open(resolve(options.out), wanted)
  try {
    await readOne(context, options, reading, wanted, progress, partial)
  } catch (error) {
    progress.clear()
    if (partial === undefined || (await partial.size()) === 0) throw error
    if (errorCode(error) === 'resume-mismatch') {
      context.output.warn('what was read before is damaged; reading it from the start')
      await partial.discard()
      return await readOne(context, options, reading, wanted, progress, partial)
    }
    // What was erased, or is not what it should be, does not stay here either.
    if (errorCode(error) === 'erased' || exitCodeOf(describeError(error).code) === EXIT.integrity) await partial.discard()
    else
      context.output.note(
        `${formatBytes(await partial.size())} are kept in ${resolve(options.out ?? '')}.part; the same command goes on from there`,
      )
    throw error
  }
}

async function readOne(
  context: Context,
  options: RecordGetOptions,
  reading: Reading,
  wanted: ListedVersion,
  progress: Progress,
  partial: PartialDownload | undefined,
): Promise<void> {
  if (partial !== undefined && partial.bytes > 0) context.output.note(`going on after ${formatBytes(partial.bytes)}`)
  const call = { signal: context.signal, known: partial?.known }
  for await (const { header, content, beginning, failures } of reading.read([wanted], call)) {
    const keep = partial !== undefined && header.encoding === 'identity' && header.size >= MIN_PARTIAL_BYTES
    const answer: Answer = {
      record: toHex(wanted.recordId),
      submission: toHex(wanted.submission.root),
      version: wanted.version,
      mediaType: header.mediaType,
      size: header.size,
      whole: true,
      files: [],
      pieces: content,
      failures,
      ...(keep ? { partial: { file: partial, beginning } } : {}),
    }
    await hand(context, options, reading, answer, progress)
  }
}

/** Hands over the document of a submission, or a Bundle of everything. */
async function getDocument(context: Context, options: RecordGetOptions, reading: Reading, progress: Progress): Promise<void> {
  const { listing } = reading
  const everything = options.submission === undefined
  const versions = everything ? byRecord(listing.versions).flatMap(record => record.slice(-1)) : listing.versions
  const first = versions[0] ?? nothingToRead(listing)
  warnIncomplete(context, listing)
  if (!everything && first.total === 1) return await getVersion(context, options, reading, first, progress)
  const files: string[] = []
  const read: FhirVersion[] = []
  let failures: readonly CustodianFailure[] = []
  let held = 0
  for await (const version of reading.read(versions, { signal: context.signal })) {
    progress.show(() => `read ${read.length + files.length} of ${versions.length}, ${formatBytes(held)}`)
    const { listed, header, content } = version
    failures = version.failures
    if (!isFhir(version)) {
      files.push(toHex(listed.recordId))
      continue
    }
    held += header.size
    if (held > MAX_JOINED_BYTES) {
      throw new EpioneError('too-large', `more than ${MAX_JOINED_BYTES} bytes would have to be joined; read the records one by one`)
    }
    read.push({ leaf: listed.leaf, header, bytes: await collect(content) })
  }
  const document = everything
    ? { bytes: collectionOf(read.filter(({ header }) => header.kind === 'record').map(({ bytes }) => bytes)), whole: false }
    : await bundleFromVersions(read, first.total)
  if (!everything && !document.whole) {
    context.output.warn(
      `${read.length + files.length} of ${count(first.total, 'version')} may be read: this is a collection Bundle of them, not the document as it was`,
    )
  }
  const answer: Answer = {
    record: null,
    submission: options.submission ?? null,
    version: null,
    mediaType: FHIR_MEDIA_TYPE,
    size: document.bytes.length,
    whole: document.whole,
    files,
    pieces: [document.bytes],
    failures,
  }
  await hand(context, options, reading, answer, progress)
}

function isFhir({ header }: ReadVersion): boolean {
  return header.kind === 'manifest' || header.mediaType === FHIR_MEDIA_TYPE
}

async function collect(pieces: Answer['pieces']): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const piece of pieces) parts.push(piece)
  return concat(...parts)
}

/** Writes the content where it is wanted, and says what it is. */
async function hand(context: Context, options: RecordGetOptions, reading: Reading, answer: Answer, progress: Progress): Promise<void> {
  const { output, signal } = context
  const file = options.out === undefined ? null : resolve(options.out)
  const pieces = told(answer, progress)
  let content: unknown
  if (file !== null && answer.partial !== undefined) await answer.partial.file.write(file, answer.partial.beginning, pieces)
  else if (file !== null) await writePrivateFile(file, pieces)
  else if (output.json) content = await jsonContent(answer, pieces)
  else await print(context, answer, pieces)
  progress.clear()
  const { asOf } = await reading.peer.head({ signal })
  const { record, submission, version, mediaType, size, whole, files } = answer
  const failures = [...reading.listing.failures, ...answer.failures]
  const value: RecordGetResult = {
    record,
    submission,
    version,
    mediaType,
    bytes: size,
    whole,
    files,
    failures: failures.map(({ custodian, name, code }) => ({ custodian: toHex(custodian), name, code })),
    file,
    ...(content === undefined ? {} : { content }),
    accessEntry: toHex(reading.session.entryId),
    asOf: asOfResult(asOf),
  }
  if (output.json) output.result(value, () => [])
  else output.note(`${file ?? 'read'}: ${mediaType}, ${formatBytes(size)}, checked; in the access log as ${value.accessEntry.slice(0, 16)}`)
  if (failures.length > 0) output.warn(`not all custodians did as they should: ${namedFailures(failures)}`)
  if (files.length > 0) {
    output.warn(`${count(files.length, 'file')} not in the Bundle; read each by the id of its record: ${files.slice(0, 10).join(' ')}`)
  }
}

/** The pieces, with progress as they pass. */
async function* told({ pieces, size }: Answer, progress: Progress): AsyncGenerator<Uint8Array> {
  const transfer = new TransferLine()
  let at = 0
  for await (const piece of pieces) {
    at += piece.length
    progress.show(() => transfer.line('reading', at, size))
    yield piece
  }
}

async function jsonContent({ mediaType, size }: Answer, pieces: AsyncIterable<Uint8Array>): Promise<unknown> {
  if (!/[/+]json$/.test(mediaType) || size > HELD_BYTES) {
    throw new EpioneError('missing-option', `--json prints content that is JSON; name a file for this ${mediaType} with --out`)
  }
  return parseKeepingDigits(new TextDecoder().decode(await collect(pieces)))
}

/** Content on standard output: what can be held is checked to its end before anything of it is printed. */
async function print({ output }: Context, { mediaType, size }: Answer, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  if (process.stdout.isTTY === true && !/^text\/|[/+](?:json|xml)$/.test(mediaType)) {
    throw new EpioneError('missing-option', `${mediaType} is not for a terminal; name a file with --out`)
  }
  if (size > HELD_BYTES) for await (const piece of pieces) await output.bytes(piece)
  else await output.bytes(await collect(pieces))
}
