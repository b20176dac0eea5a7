/** `epione record put` */
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { MAX_FHIR_BYTES, recordsFromFhir } from '../../src/client/fhir-records.ts'
import type { FolderAddress } from '../../src/client/folders.ts'
import { type PutResult, putRecords, type RecordInput } from '../../src/client/put.ts'
import type { PutProgress } from '../../src/client/put-meter.ts'
import { encodeReceipts } from '../../src/client/receipt-set.ts'
import { contentOf, MAX_CONTENT_BYTES } from '../../src/client/record-object.ts'
import type { RecordClass } from '../../src/contracts/consent-terms.ts'
import type { Label } from '../../src/contracts/folders-formats.ts'
import { toHex, utf8 } from '../../src/encoding/bytes.ts'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import type { Context } from '../context.ts'
import { type OpenFile, openFile, readStream } from '../file-content.ts'
import { findFolder } from '../folder-book.ts'
import { count, formatBytes, formatSpan, printable } from '../format.ts'
import { homeOf } from '../home.ts'
import { table } from '../output.ts'
import { withPerson } from '../person-session.ts'
import { writePrivateFile } from '../private-file.ts'
import { createProgress } from '../progress.ts'
import { nextVersion, noteRecords } from '../record-book.ts'
import { TransferLine } from '../transfer-line.ts'
import { uploadFile } from '../upload-file.ts'
import { idBytes } from '../wallet-session.ts'

export interface RecordPutOptions {
  folder: string
  /** Media type; without it the file is FHIR R4 JSON. */
  type?: string
  /** Class of a file with a media type. */
  class?: RecordClass
  /** The folder must have this label. */
  label?: Label
  record?: string
  /** Number of the version, where the home does not know the record. */
  recordVersion?: number
  /** File for the custodians' receipts instead of one in the home. */
  receipt?: string
}

/** What `--json` prints. */
export interface RecordPutResult {
  /** `degraded`: fewer receipts than custodians, but enough of them. */
  status: 'written' | 'degraded'
  folder: string
  submission: string
  versions: readonly { record: string; version: number; leaf: number; resourceType: string | null; class: RecordClass; bytes: number }[]
  custodians: readonly {
    index: number
    id: string
    name: string
    jurisdiction: string
    bytes: number
    stored: boolean
    /** Code of the error where it is not stored. */
    error: string | null
  }[]
  receipts: { received: number; needed: number; custodians: number }
  /** Where the receipts are kept, or null where that failed. */
  receiptFile: string | null
  /** Whether it went on where an earlier attempt broke off. */
  resumed: boolean
  /** Bytes of fragments that were sent now. */
  sentBytes: number
  /** The residency policy left no choice but to put k or more fragments into one jurisdiction. */
  relaxed: boolean
  /** Bytes of ciphertext. */
  bytes: number
  height: number
  /** Time of the block, in ms since the epoch. */
  timeMs: number
  transaction: string
  /** How long it took, in ms. */
  tookMs: number
}

/** Versions that are listed for people; `--json` has all. */
const SHOWN_VERSIONS = 20

export async function recordPut(context: Context, options: RecordPutOptions, file: string): Promise<void> {
  checkOptions(options)
  const home = homeOf(context)
  const address = await findFolder(home, idBytes(options.folder))
  checkLabel(address, options.label)
  const progress = createProgress(context)
  const source = file === '-' ? null : await openFile(resolve(file), { signal: context.signal })
  const journal = source === null ? undefined : uploadFile(home, [options.folder, resolve(file), options.type ?? '', options.record ?? ''])
  try {
    const inputs = await readInputs(context, source, options)
    if (options.record !== undefined) await asNextVersion(home, address.id, inputs, options)
    const { result, tookMs } = await withPerson(context, async ({ peer, person }) => {
      const start = performance.now()
      const transfer = new TransferLine()
      const onProgress = (state: PutProgress): void => progress.show(() => progressLine(transfer, state))
      try {
        const call = { signal: context.signal, onProgress, ...(journal === undefined ? {} : { journal }) }
        return { result: await putRecords(peer, person, address, inputs, call), tookMs: performance.now() - start }
      } finally {
        progress.clear()
      }
    })
    await note(context, home, result)
    const receiptFile = await keepReceipts(context, home, result, options)
    print(context, result, inputs, Math.round(tookMs), receiptFile)
  } catch (error) {
    if (await journal?.exists()) context.output.note('what was sent is kept for an hour; the same command goes on from there')
    throw error
  } finally {
    await source?.close()
  }
}

/** The author's evidence that it is stored. It is written whether this works or not. */
async function keepReceipts(context: Context, home: string, result: PutResult, { receipt }: RecordPutOptions): Promise<string | null> {
  const path = receipt === undefined ? join(home, 'receipts', `${toHex(result.submissionRoot)}.receipts`) : resolve(receipt)
  try {
    if (receipt === undefined) await mkdir(join(home, 'receipts'), { recursive: true, mode: 0o700 })
    await writePrivateFile(path, [utf8(`${encodeReceipts(result.receipts)}\n`)])
    return path
  } catch (error) {
    context.output.warn(`the receipts could not be kept in ${path} (${errorCode(error)})`)
    return null
  }
}

function checkOptions({ type, class: recordClass, record, recordVersion }: RecordPutOptions): void {
  if (recordClass !== undefined && type === undefined) {
    throw new EpioneError('conflicting-option', '--class is for files with --type; the class of a FHIR resource follows from it')
  }
  if (recordVersion !== undefined && record === undefined) {
    throw new EpioneError('conflicting-option', '--record-version is the number of a version of the record that --record names')
  }
}

/** A guard against the wrong folder: what a label keeps apart must not get mixed. */
function checkLabel({ label }: FolderAddress, expected: Label | undefined): void {
  if (expected !== undefined && expected !== label) {
    throw new EpioneError('label-differs', `the folder has the label ${label}, not ${expected}; nothing was stored`, {
      metadata: { label, expected },
    })
  }
}

async function readInputs(context: Context, source: OpenFile | null, options: RecordPutOptions): Promise<RecordInput[]> {
  const { type } = options
  const recordClass = options.class ?? 'document'
  if (type !== undefined) {
    if (source !== null && source.size > MAX_CONTENT_BYTES) {
      throw new EpioneError('too-large', `the file has ${source.size} bytes; a version holds at most ${MAX_CONTENT_BYTES}`, {
        metadata: { bytes: source.size, limit: MAX_CONTENT_BYTES },
      })
    }
    const content = source ?? contentOf(await readStream(context.stdin, MAX_FHIR_BYTES, context.signal))
    return [{ mediaType: type, class: recordClass, content }]
  }
  const bytes =
    source === null ? await readStream(context.stdin, MAX_FHIR_BYTES, context.signal) : await source.bytes(MAX_FHIR_BYTES).catch(hintType)
  const { inputs } = await recordsFromFhir(bytes).catch(hintType)
  return inputs
}

/** What is no FHIR may well be meant as a file. */
function hintType(error: unknown): never {
  if (!(error instanceof EpioneError) || !['not-json', 'not-fhir', 'too-large'].includes(error.code)) throw error
  const { code, message, metadata } = error
  throw new EpioneError(code, `${message.replace(/\.$/, '')}; a file that is no FHIR R4 is stored with --type <media type>`, {
    metadata,
    cause: error,
  })
}

async function asNextVersion(home: string, folder: Uint8Array, inputs: RecordInput[], options: RecordPutOptions): Promise<void> {
  const [input] = inputs
  if (input === undefined || inputs.length !== 1) {
    throw new EpioneError('conflicting-option', '--record takes one resource or one file, not a Bundle')
  }
  const recordId = idBytes(options.record ?? '')
  inputs[0] = { ...input, recordId, version: options.recordVersion ?? (await nextVersion(home, folder, recordId)) }
}

/** Keeps the numbers of what is written. It is written whether this works or not. */
async function note(context: Context, home: string, result: PutResult): Promise<void> {
  try {
    await noteRecords(home, result.folder, result.versions)
  } catch (error) {
    context.output.warn(`the records could not be noted in ${home} (${errorCode(error)}): a next version of them needs --record-version`)
  }
}

function progressLine(transfer: TransferLine, { phase, versions, totalVersions, bytes, totalBytes }: PutProgress): string {
  if (phase === 'anchoring') return 'anchoring'
  const of = totalVersions > 1 ? ` ${versions} of ${totalVersions}` : ''
  return transfer.line(`${phase}${of}`, bytes, totalBytes)
}

function print(context: Context, result: PutResult, inputs: readonly RecordInput[], tookMs: number, receiptFile: string | null): void {
  const { output } = context
  const stored = result.custodians.filter(custodian => custodian.stored).length
  const n = result.custodians.length
  const value: RecordPutResult = {
    status: result.status,
    folder: toHex(result.folder),
    submission: toHex(result.submissionRoot),
    versions: result.versions.map(({ recordId, version, leaf, resourceType, size }) => ({
      record: toHex(recordId),
      version,
      leaf,
      resourceType: resourceType === '' ? null : resourceType,
      class: inputs[leaf]?.class ?? 'other',
      bytes: size,
    })),
    custodians: result.custodians.map(({ index, id, name, jurisdiction, bytes, stored: isStored, error }) => ({
      index,
      id: toHex(id),
      name,
      jurisdiction,
      bytes,
      stored: isStored,
      error: error ?? null,
    })),
    receipts: { received: stored, needed: n - Math.floor((n - 1) / 3), custodians: n },
    receiptFile,
    resumed: result.resumed,
    sentBytes: result.sentBytes,
    relaxed: result.relaxed,
    bytes: result.size,
    height: result.anchored.height,
    timeMs: result.anchored.time,
    transaction: toHex(result.anchored.receipt.transaction),
    tookMs,
  }
  output.result(value, () => [
    `${result.status}: ${count(value.versions.length, 'version')}, ${formatBytes(value.bytes)}, final at height ${value.height} after ${formatSpan(tookMs)}`,
    '',
    ...table([
      ['folder', value.folder],
      ['submission', value.submission],
      ...(receiptFile === null ? [] : [['receipts', receiptFile]]),
      ...(value.resumed ? [['resumed', `${formatBytes(value.sentBytes)} were still to be sent`]] : []),
    ]),
    '',
    ...table([
      ['record', 'version', 'what', 'size'],
      ...value.versions
        .slice(0, SHOWN_VERSIONS)
        .map(one => [one.record, String(one.version), one.resourceType ?? one.class, formatBytes(one.bytes)]),
    ]),
    ...(value.versions.length > SHOWN_VERSIONS ? [`and ${value.versions.length - SHOWN_VERSIONS} more; --json prints all`] : []),
    '',
    ...table([
      ['fragment', 'custodian', 'in', 'size', 'stored'],
      ...value.custodians.map(one => [
        String(one.index),
        printable(one.name),
        one.jurisdiction,
        formatBytes(one.bytes),
        one.stored ? 'yes' : `no (${one.error ?? 'unknown'})`,
      ]),
    ]),
  ])
  if (result.status === 'degraded') {
    // A reader needs f + 1 fragments.
    const spare = stored - Math.floor((n - 1) / 3) - 1
    output.warn(`only ${stored} of ${n} custodians have their fragments; ${spare} of these may be lost, and the records are still read`)
  }
  if (result.relaxed) output.warn('the residency policy put so many fragments into one country that its custodians could read together')
}
