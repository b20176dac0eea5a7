/** `epione record list` */
import type { RecordClass } from '../../src/contracts/consent-terms.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Context } from '../context.ts'
import { type AsOfResult, asOfResult, formatBytes, formatDay } from '../format.ts'
import { table } from '../output.ts'
import { byRecord, nothingToRead, type ReadingOptions, warnIncomplete, withReading } from '../reading.ts'
import { readTitles } from '../titles.ts'

export interface RecordListOptions extends ReadingOptions {
  class?: readonly RecordClass[]
  titles?: boolean
  limit: number
}

/** What `--json` prints: each record with its newest version. */
export interface RecordListResult {
  records: readonly {
    record: string
    version: number
    /** How many versions of it may be read. */
    versions: number
    class: RecordClass
    /** Time of the content in ms since the epoch, or null. */
    dateMs: number | null
    /** Bytes as stored: compressed and padded. */
    storedBytes: number
    submission: string
    height: number
    author: string
    /** With --titles. */
    title?: string
    mediaType?: string
    resourceType?: string | null
    bytes?: number
  }[]
  /** There are more than the limit. */
  more: boolean
  /** Submissions that may not be shown whole, for too few of their custodians answered. */
  incomplete: readonly string[]
  accessEntry: string
  /** All of them, where the share code is for several folders. */
  accessEntries: readonly string[]
  /** What the answer was proven against: a certified header. */
  asOf: AsOfResult
}

export async function recordList(context: Context, options: RecordListOptions): Promise<void> {
  const { signal, output } = context
  await withReading(context, options, async reading => {
    const { listing, own, peer, session, sessions } = reading
    // The owner may have an empty folder; to whom a consent shows nothing, nothing is said.
    if (!own && listing.versions.length === 0) nothingToRead(listing)
    warnIncomplete(context, listing)
    const all = byRecord(listing.versions).flatMap(versions => {
      const newest = versions.at(-1)
      if (newest === undefined || (options.class !== undefined && !options.class.includes(newest.class))) return []
      return [{ newest, versions: versions.length }]
    })
    const shown = all.slice(-options.limit)
    const titles =
      options.titles === true
        ? await readTitles(
            context,
            reading,
            shown.map(({ newest }) => newest),
          )
        : new Map()
    const { asOf } = await peer.head({ signal })
    const value: RecordListResult = {
      records: shown.map(({ newest, versions }) => {
        const title = titles.get(newest)
        return {
          record: toHex(newest.recordId),
          version: newest.version,
          versions,
          class: newest.class,
          dateMs: newest.dataTime,
          storedBytes: newest.meta.size,
          submission: toHex(newest.submission.root),
          height: newest.submission.anchor.height,
          author: toHex(newest.submission.anchor.author),
          ...(title === undefined
            ? {}
            : { title: title.title, mediaType: title.mediaType, resourceType: title.resourceType, bytes: title.bytes }),
        }
      }),
      more: shown.length < all.length,
      incomplete: listing.incomplete.map(({ root }) => toHex(root)),
      accessEntry: toHex(session.entryId),
      accessEntries: sessions.map(({ entryId }) => toHex(entryId)),
      asOf: asOfResult(asOf),
    }
    output.result(value, () =>
      value.records.length === 0
        ? []
        : table([
            ['record', 'version', 'class', 'date', 'stored', 'height', ...(options.titles === true ? ['title'] : [])],
            ...value.records.map(one => [
              one.record,
              String(one.version),
              one.class,
              one.dateMs === null ? '-' : formatDay(one.dateMs),
              formatBytes(one.storedBytes),
              String(one.height),
              ...(options.titles === true ? [one.title ?? ''] : []),
            ]),
          ]),
    )
    if (value.records.length === 0) output.note('no records')
    if (value.more) output.note(`${all.length - shown.length} older ones are not shown; raise --limit`)
  })
}
