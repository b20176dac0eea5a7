/** `epione record erasure` */
import { erasureStatus } from '../../src/client/erase.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Context } from '../context.ts'
import { entryOf, readErasures } from '../erasure-book.ts'
import { type ErasureReport, erasureReport, progressLine, reportLines } from '../erasure-report.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { type AsOfResult, asOfResult, count } from '../format.ts'
import { homeOf } from '../home.ts'
import { table } from '../output.ts'
import { createProgress } from '../progress.ts'
import { withOwnedFolder } from '../wallet-session.ts'

export interface RecordErasureOptions {
  folder: string
  /** How long to wait for custodians, in ms. */
  wait: number
}

/** What `--json` prints. */
export interface RecordErasureResult extends ErasureReport {
  folder: string
  /** Every order of the ledger; the record and version where this home knows them. */
  orders: readonly { mark: string; height: number; record: string | null; version: number | null; receipts: number }[]
  /** The signed receipts themselves, to be kept or shown to others. */
  receipts: readonly {
    custodian: string
    mark: string
    /** Whether the custodian had something to destroy. */
    destroyed: boolean
    height: number
    timeMs: number
    signature: string
  }[]
  /** What the orders were proven against: a certified header. */
  asOf: AsOfResult | null
}

export async function recordErasure(context: Context, options: RecordErasureOptions): Promise<ExitCode> {
  const { signal, output } = context
  return await withOwnedFolder(context, options.folder, async ({ peer, wallet, owned }) => {
    const known = await readErasures(homeOf(context), owned.id)
    const progress = createProgress(context)
    const status = await erasureStatus(peer, wallet, owned, {
      signal,
      waitMs: options.wait,
      onProgress: step => progress.show(() => progressLine(step)),
    }).finally(() => progress.clear())
    const signed = new Map<string, number>()
    for (const { receipt } of status.receipts) signed.set(toHex(receipt.mark), (signed.get(toHex(receipt.mark)) ?? 0) + 1)
    const value: RecordErasureResult = {
      ...erasureReport(status),
      folder: options.folder,
      orders: status.marks.map(({ mark, height }) => {
        const entry = entryOf(known, mark)
        return {
          mark: toHex(mark),
          height,
          record: entry === undefined ? null : toHex(entry.recordId),
          version: entry?.version ?? null,
          receipts: signed.get(toHex(mark)) ?? 0,
        }
      }),
      receipts: status.receipts.map(({ custodian, receipt, signature }) => ({
        custodian: toHex(custodian.id),
        mark: toHex(receipt.mark),
        destroyed: receipt.destroyed,
        height: receipt.height,
        timeMs: receipt.time,
        signature: toHex(signature),
      })),
      asOf: status.asOf === null ? null : asOfResult(status.asOf),
    }
    if (value.orders.length === 0) {
      output.result(value, () => [])
      output.note('nothing of this folder was erased')
      return EXIT.ok
    }
    output.result(value, () => [
      `erased       ${count(value.orders.length, 'version')}`,
      ...reportLines(value),
      '',
      ...table([
        ['mark', 'height', 'receipts', 'record', 'version'],
        ...value.orders.map(({ mark, height, record, version, receipts }) => [
          mark.slice(0, 16),
          String(height),
          String(receipts),
          record ?? '-',
          version === null ? '-' : String(version),
        ]),
      ]),
    ])
    return value.status === 'erased' ? EXIT.ok : EXIT.unhealthy
  })
}
