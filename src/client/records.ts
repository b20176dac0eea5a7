/** Records by one call each: the newest version, its bytes, a record's history, and what comes next in a folder. */
import { decodeEventData, isEventName } from '../contracts/events.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import type { ObjectHeader } from '../fragments/formats.ts'
import { type FollowOptions, follow } from './follow.ts'
import { listVersions, readVersions } from './get.ts'
import type { LightPeer, MemberInfo } from './light-peer.ts'
import type { ListedVersion, ReadOptions } from './read-types.ts'
import { MAX_CONTENT_BYTES } from './record-object.ts'
import type { Session } from './session.ts'

/** A version with its content in memory. */
export interface ReadRecord {
  readonly version: ListedVersion
  readonly header: ObjectHeader
  readonly bytes: Uint8Array
  /** Custodians whose fragments it was made of. */
  readonly from: readonly MemberInfo[]
}

/** Of each record that the session may read the newest version, in the order of their anchors. */
export async function listRecords(peer: LightPeer, session: Session, options: ReadOptions = {}): Promise<ListedVersion[]> {
  const { versions } = await listVersions(peer, session, options)
  const newest = new Map<string, ListedVersion>()
  for (const version of versions) {
    const name = toHex(version.recordId)
    const known = newest.get(name)
    if (known === undefined || version.version >= known.version) newest.set(name, version)
  }
  return [...newest.values()]
}

/** All versions of one record that the session may read, the oldest first; empty where there is none. */
export async function recordHistory(
  peer: LightPeer,
  session: Session,
  recordId: Uint8Array,
  options: ReadOptions = {},
): Promise<ListedVersion[]> {
  const { versions } = await listVersions(peer, session, options)
  return versions.filter(version => equalBytes(version.recordId, recordId)).sort((a, b) => a.version - b.version)
}

/**
 * Reads one version whole, into memory; what is large is better read in pieces by `readVersions`.
 * @param options.maxBytes longest content that is taken, in bytes. @default all that a record can be
 * @throws EpioneError `too-large`, and what `readVersions` throws
 */
export async function readRecord(
  peer: LightPeer,
  session: Session,
  version: ListedVersion,
  options: ReadOptions & { maxBytes?: number } = {},
): Promise<ReadRecord> {
  const { maxBytes = MAX_CONTENT_BYTES } = options
  for await (const read of readVersions(peer, session, [version], options)) {
    const { size } = read.header
    if (size > maxBytes) {
      throw new EpioneError('too-large', `The record has ${size} bytes, and at most ${maxBytes} are taken here.`, {
        metadata: { bytes: size },
      })
    }
    const bytes = new Uint8Array(size)
    let filled = 0
    for await (const part of read.content) {
      bytes.set(part, filled)
      filled += part.length
    }
    return { version, header: read.header, bytes, from: read.from }
  }
  throw new EpioneError('not-found', 'There is nothing here under this name.')
}

/** Something new in a folder. */
export interface NewSubmission {
  readonly folder: Uint8Array
  readonly submissionRoot: Uint8Array
  /** Of the folder's event: with the next one `follow` goes on after a restart. */
  readonly event: number
  readonly height: number
}

/** Submissions as they are anchored in folders, without end until the signal aborts; to be listed by `listVersions` with `submission`. */
export async function* followRecords(
  peer: LightPeer,
  folders: readonly Uint8Array[],
  options: FollowOptions = {},
): AsyncGenerator<NewSubmission> {
  for await (const { name, data, folder, number, height } of follow(peer, folders, options)) {
    if (!isEventName(name) || name !== 'records.anchored') continue
    const { submissionRoot } = decodeEventData(name, data)
    yield { folder, submissionRoot, event: number, height }
  }
}
