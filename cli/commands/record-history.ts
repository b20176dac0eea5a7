/** `epione record history` */
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import type { Context } from '../context.ts'
import { type AsOfResult, asOfResult, formatBytes, formatInstant, printable } from '../format.ts'
import { table } from '../output.ts'
import { nothingToRead, type ReadingOptions, versionsOf, warnIncomplete, withReading } from '../reading.ts'
import { readTitles, type Title } from '../titles.ts'
import { idBytes } from '../wallet-session.ts'

export interface RecordHistoryOptions extends ReadingOptions {
  titles?: boolean
}

/** What `--json` prints: the oldest version first. */
export interface RecordHistoryResult {
  record: string
  versions: readonly {
    version: number
    class: string
    submission: string
    height: number
    /** Time of the block that anchored it, in ms since the epoch. */
    anchoredMs: number
    author: { id: string; name: string | null }
    /** Bytes as stored: compressed and padded. */
    storedBytes: number
    /** With --titles. */
    title?: string
    mediaType?: string
    bytes?: number
    /** Role in which the author signed for it. */
    role?: string
  }[]
  accessEntry: string
  /** What the answer was proven against: a certified header. */
  asOf: AsOfResult
}

export async function recordHistory(context: Context, options: RecordHistoryOptions, record: string): Promise<void> {
  const { signal, output } = context
  await withReading(context, options, async reading => {
    const { listing, peer, session } = reading
    const versions = versionsOf(listing.versions, idBytes(record))
    if (versions.length === 0) nothingToRead(listing)
    warnIncomplete(context, listing)
    const titles = options.titles === true ? await readTitles(context, reading, versions) : new Map<unknown, Title>()
    const members = await peer.members({ signal })
    const times = await Promise.all(
      versions.map(async ({ submission }) => (await peer.headerAt(submission.anchor.height, { signal })).time),
    )
    const { asOf } = await peer.head({ signal })
    const value: RecordHistoryResult = {
      record,
      versions: versions.map((version, i) => {
        const { anchor, root } = version.submission
        const title = titles.get(version)
        return {
          version: version.version,
          class: version.class,
          submission: toHex(root),
          height: anchor.height,
          anchoredMs: times[i] ?? 0,
          author: {
            id: toHex(anchor.author),
            name: members.find(({ id }) => equalBytes(id, anchor.author))?.organisation.name ?? null,
          },
          storedBytes: version.meta.size,
          ...(title === undefined ? {} : { title: title.title, mediaType: title.mediaType, bytes: title.bytes, role: title.role }),
        }
      }),
      accessEntry: toHex(session.entryId),
      asOf: asOfResult(asOf),
    }
    output.result(value, () =>
      table([
        ['version', 'anchored', 'height', 'by', 'stored', ...(options.titles === true ? ['role', 'title'] : [])],
        ...value.versions.map(one => [
          String(one.version),
          formatInstant(one.anchoredMs),
          String(one.height),
          one.author.name === null ? one.author.id.slice(0, 16) : printable(one.author.name),
          formatBytes(one.storedBytes),
          ...(options.titles === true ? [printable(one.role ?? ''), one.title ?? ''] : []),
        ]),
      ]),
    )
  })
}
