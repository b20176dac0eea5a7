/** `epione record verify` */
import { resolve } from 'node:path'
import {
  type CheckedReceipts,
  checkFailure,
  checkReceiptsOffline,
  checkReceiptsOnline,
  decodeReceipts,
  type ReceiptSet,
} from '../../src/client/receipt-set.ts'
import { anchorBodyCodec } from '../../src/contracts/records-formats.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { readBoundedFile } from '../../src/node/config-file.ts'
import type { Context } from '../context.ts'
import { namedFailures } from '../custodian-failures.ts'
import { formatBytes, formatInstant, printable } from '../format.ts'
import { knownGenesis } from '../known-genesis.ts'
import { connect } from '../network.ts'
import { table } from '../output.ts'
import { type ReadingOptions, withReading } from '../reading.ts'

export interface RecordVerifyOptions extends ReadingOptions {
  offline?: boolean
  genesis?: string
}

/** One way of checking: done, or why it was not. */
type Step = { checked: true; holds: boolean; height: number; timeMs: number } | { checked: false; code: string; message: string }

/** What `--json` prints. */
export interface RecordVerifyResult {
  /** Whether all that was checked holds, and at least one check was made of whether the ledger has it. */
  holds: boolean
  folder: string
  submission: string
  /** Height at which it was anchored, where that was proven. */
  anchorHeight: number | null
  receipts: readonly { custodian: string; name: string; index: number; bytes: number; signedAtMs: number; flaw: string | null }[]
  good: number
  needed: number
  custodians: number
  /** By the proofs in the file and the genesis document. */
  offline: Step
  /** By what the ledger proves now. */
  ledger: Step
  /** Whether the custodians still answer for it; null where they were not asked. */
  answers: { showing: boolean; failures: readonly { name: string; code: string }[] } | null
}

const MAX_FILE_BYTES = 8 * 1024 * 1024

export async function recordVerify(context: Context, options: RecordVerifyOptions, file: string): Promise<void> {
  const text = await readBoundedFile(resolve(file), MAX_FILE_BYTES)
  if (text === null) throw new EpioneError('file-missing', `there is no file ${file}`, { metadata: { path: file } })
  const set = decodeReceipts(text.trim())
  const genesis = await knownGenesis(context, options.genesis)
  const offline = await attempt(async () => {
    if (genesis === null)
      throw new EpioneError('genesis-missing', 'the genesis document of the network is not here; name it with --genesis')
    return await checkReceiptsOffline(set, genesis, Date.now)
  })
  const online =
    options.offline === true
      ? { error: new EpioneError('not-asked', 'no node was asked') }
      : await attempt(async () => {
          await using peer = await connect(context, set.chainId)
          return await checkReceiptsOnline(peer, set, { signal: context.signal })
        })
  const answers = options.folder === undefined && options.share === undefined ? null : await askCustodians(context, options, set)
  const best = online.checked ?? offline.checked
  if (best === undefined) throw online.error ?? offline.error
  print(context, set, best, stepOf(offline), stepOf(online), answers)
}

async function attempt(check: () => Promise<CheckedReceipts>): Promise<{ checked?: CheckedReceipts; error?: unknown }> {
  try {
    return { checked: await check() }
  } catch (error) {
    return { error }
  }
}

function stepOf({ checked, error }: { checked?: CheckedReceipts; error?: unknown }): Step {
  if (checked === undefined) return { checked: false, ...checkFailure(error) }
  return { checked: true, holds: checked.holds, height: checked.height, timeMs: checked.time }
}

/** Lists the submission as who may read it: that the custodians show it is their word that they hold it. */
async function askCustodians(context: Context, options: ReadingOptions, set: ReceiptSet): Promise<RecordVerifyResult['answers']> {
  const { submissionRoot } = anchorBodyCodec.decode(set.body)
  const { folder, share, purpose } = options
  const ask = {
    submission: submissionRoot,
    ...(folder === undefined ? {} : { folder }),
    ...(share === undefined ? {} : { share }),
    ...(purpose === undefined ? {} : { purpose }),
  }
  return await withReading(context, ask, async ({ listing }) => ({
    showing: listing.versions.length > 0 && listing.incomplete.length === 0,
    failures: listing.failures.map(({ name, code }) => ({ name, code })),
  }))
}

function print(
  context: Context,
  set: ReceiptSet,
  best: CheckedReceipts,
  offline: Step,
  ledger: Step,
  answers: RecordVerifyResult['answers'],
): void {
  const body = anchorBodyCodec.decode(set.body)
  const steps = [offline, ledger].filter(step => step.checked)
  const value: RecordVerifyResult = {
    holds: steps.every(step => step.checked && step.holds) && answers?.showing !== false,
    folder: toHex(body.folder),
    submission: toHex(body.submissionRoot),
    anchorHeight: best.anchorHeight,
    receipts: best.receipts.map(({ custodian, name, index, bytes, time, flaw }) => ({
      custodian: toHex(custodian),
      name,
      index,
      bytes,
      signedAtMs: time,
      flaw,
    })),
    good: best.good,
    needed: best.needed,
    custodians: best.n,
    offline,
    ledger,
    answers,
  }
  context.output.result(value, () => [
    value.holds
      ? `holds: ${best.good} of ${best.n} custodians signed (${best.needed} are needed), anchored at height ${best.anchorHeight}`
      : `does not hold: ${best.good} good receipts of ${best.needed} needed, ${best.anchored ? `anchored at height ${best.anchorHeight}` : 'not anchored as they say'}`,
    '',
    ...table([
      ['fragment', 'custodian', 'size', 'signed at', 'receipt'],
      ...value.receipts.map(one => [
        String(one.index),
        printable(one.name),
        formatBytes(one.bytes),
        formatInstant(one.signedAtMs),
        one.flaw ?? 'good',
      ]),
    ]),
    '',
    ...table([
      ['by the file and the genesis document', said(offline)],
      ['by the ledger now', said(ledger)],
      ['by the custodians', saidOf(answers)],
    ]),
  ])
  if (!value.holds) throw new EpioneError('receipts-do-not-hold', 'the receipts do not show that it is stored')
}

function said(step: Step): string {
  if (!step.checked) return `not checked: ${step.message} (${step.code})`
  return `${step.holds ? 'holds' : 'does not hold'}, as of height ${step.height}, ${formatInstant(step.timeMs)}`
}

function saidOf(answers: RecordVerifyResult['answers']): string {
  if (answers === null) return 'not asked: only who may read can ask them (--folder or --share)'
  const named = answers.failures.length === 0 ? '' : `; but ${namedFailures(answers.failures)}`
  return `${answers.showing ? 'enough of them show it' : 'too few of them show it'}${named}`
}
