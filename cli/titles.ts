/** What versions are about: their contents are read and described. */
import { FHIR_MEDIA_TYPE, loadDescriber } from '../src/client/fhir-records.ts'
import type { ListedVersion, ReadVersion } from '../src/client/get.ts'
import { concat } from '../src/encoding/bytes.ts'
import { errorCode } from '../src/encoding/errors.ts'
import type { Context } from './context.ts'
import { createProgress } from './progress.ts'
import type { Reading } from './reading.ts'

export interface Title {
  title: string
  mediaType: string
  /** FHIR resource type, or null. */
  resourceType: string | null
  /** Length of the content in bytes. */
  bytes: number
  /** When it was written, by the author's clock, in ms since the epoch. */
  writtenMs: number
  /** Role in which the author signed. */
  role: string
}

/** Longest resource that is described, in bytes; of a larger one its type is said. */
const MAX_DESCRIBED_BYTES = 16 * 1024 * 1024

/** Titles by version. */
export async function readTitles(
  context: Context,
  reading: Reading,
  versions: readonly ListedVersion[],
): Promise<Map<ListedVersion, Title>> {
  const describe = await loadDescriber()
  const titles = new Map<ListedVersion, Title>()
  const progress = createProgress(context)
  try {
    for await (const version of reading.read(versions, { signal: context.signal })) {
      progress.show(() => `read ${titles.size} of ${versions.length}`)
      const { header } = version
      titles.set(version.listed, {
        title: await titleOf(version, describe),
        mediaType: header.mediaType,
        resourceType: header.resourceType === '' ? null : header.resourceType,
        bytes: header.size,
        writtenMs: header.time,
        role: header.author.role,
      })
    }
  } finally {
    progress.clear()
  }
  return titles
}

async function titleOf({ header, content }: ReadVersion, describe: Awaited<ReturnType<typeof loadDescriber>>): Promise<string> {
  if (header.kind === 'manifest') return 'Frame of a Bundle'
  if (header.mediaType !== FHIR_MEDIA_TYPE) return `File, ${header.mediaType}`
  if (header.size > MAX_DESCRIBED_BYTES) return header.resourceType
  const parts: Uint8Array[] = []
  for await (const part of content) parts.push(part)
  try {
    return describe(concat(...parts)).title
  } catch (error) {
    return `not readable (${errorCode(error)})`
  }
}
