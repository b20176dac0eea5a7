/** Lists and reads records: verified chunk by chunk, decoded, decrypted, and checked against what the author committed to. */

import { anchorCodec } from '../contracts/records-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { equalBytes } from '../encoding/bytes.ts'
import type { Timer } from '../fragments/pace.ts'
import { currentCustodians } from './current-custodians.ts'
import { erasedInstead } from './erased.ts'
import type { LightPeer } from './light-peer.ts'
import { listSubmission } from './list-submission.ts'
import type { CallOptions } from './nodes.ts'
import type { AnchoredSubmission, ListedVersion, ReadOptions, ReadVersion } from './read-types.ts'
import type { Session } from './session.ts'
import type { CustodianFailure } from './standings.ts'
import { SubmissionReader } from './submission-reader.ts'
import { provenDisputes } from './version-disputes.ts'

export type { AnchoredSubmission, ListedVersion, ReadOptions, ReadVersion, Resumable } from './read-types.ts'

export interface ListOptions extends CallOptions {
  /** Clock by which slow custodians are told. */
  timer?: Timer
  /** Root of the one submission to list; all of the folder's, if left out. */
  submission?: Uint8Array
}

export interface Listing {
  versions: ListedVersion[]
  /**
   * Submissions that fewer than k custodians showed, though those that refused are not enough to prove that nothing may be read,
   * or though some showed it: something in them may be missing from `versions`.
   */
  incomplete: AnchoredSubmission[]
  /** Custodians that failed, refused or were too slow, though others showed something. */
  failures: CustodianFailure[]
}

/** A folder's submissions, proven to be all, in the order of their anchors. */
export async function submissionsOf(peer: LightPeer, folder: Uint8Array, options: CallOptions = {}): Promise<AnchoredSubmission[]> {
  const { entries } = await peer.list(stateKey.submissions(folder), options)
  return entries
    .map(([key, value]) => ({ root: key.slice(33), anchor: anchorCodec.decode(value) }))
    .sort((a, b) => a.anchor.height - b.anchor.height)
}

/**
 * Everything that the session may read. The ledger proves which submissions there are. Of each, the union is taken of what
 * k = f + 1 custodians show: one of them is honest and holds all of it, as only what a custodian has whole is shown. A refusal is
 * no such answer, for an honest custodian refuses too where a degraded write left it without a copy. Only more than n - k of them,
 * at least 2f + 1, say that nothing may be read: f liars and f without a copy are fewer. A holder
 * that came in another's place may not be repaired yet: its refusal says nothing. What lies between is in `incomplete`.
 */
export async function listVersions(peer: LightPeer, session: Session, options: ListOptions = {}): Promise<Listing> {
  const listing: Listing = { versions: [], incomplete: [], failures: [] }
  const all = await submissionsOf(peer, session.folder, options)
  for (const submission of options.submission === undefined
    ? all
    : all.filter(({ root }) => equalBytes(root, options.submission as Uint8Array))) {
    const custodians = await currentCustodians(peer, session.folder, submission, options)
    const { shown, disputes: claimed, complete, total, failures } = await listSubmission(peer, session, submission, custodians, options)
    listing.failures.push(...failures)
    if (!complete) listing.incomplete.push(submission)
    const proven = claimed.length === 0 ? [] : await provenDisputes(peer, session.folder, claimed, options)
    // A custodian that is behind, or lies, may show what was taken back.
    const disputes = proven.filter(({ line }) => line.status !== 'withdrawn')
    for (const version of [...shown.values()].sort((a, b) => a.leaf - b.leaf)) {
      const { meta } = version
      const { recordId } = meta.leaf
      const own = disputes.filter(({ opening }) => opening.version === meta.leaf.version && equalBytes(opening.recordId, recordId))
      listing.versions.push({
        ...version,
        submission,
        recordId,
        version: meta.leaf.version,
        class: meta.class,
        dataTime: meta.dataTime,
        total,
        ...(own.length === 0 ? {} : { disputes: own }),
      })
    }
  }
  return listing
}

/**
 * Reads versions, in the order in which they are given; each one's content must be read (or returned from) before the next is
 * taken. Memory stays flat.
 * @throws EpioneError `not-found` where nothing may be read, `erased` where the ledger proves that, `too-few-fragments`, `malformed-object`, `malformed-dispersal`, `resume-mismatch`
 */
export async function* readVersions(
  peer: LightPeer,
  session: Session,
  versions: readonly ListedVersion[],
  options: ReadOptions = {},
): AsyncGenerator<ReadVersion> {
  for (const [i, group] of bySubmission(versions).entries()) {
    const candidates = await currentCustodians(peer, session.folder, (group[0] as ListedVersion).submission, options)
    const reader = new SubmissionReader(peer, session, group, candidates, i === 0 ? options : { ...options, known: undefined })
    let done = false
    try {
      yield* reader.read()
      done = true
    } catch (error) {
      throw await erasedInstead(peer, session.folder, group, error, options)
    } finally {
      reader.end(done)
    }
  }
}

function bySubmission(versions: readonly ListedVersion[]): ListedVersion[][] {
  const groups: ListedVersion[][] = []
  for (const version of versions) {
    const last = groups.at(-1)
    const previous = last?.at(-1)
    if (
      last !== undefined &&
      previous !== undefined &&
      equalBytes(previous.submission.root, version.submission.root) &&
      previous.leaf < version.leaf
    )
      last.push(version)
    else groups.push([version])
  }
  return groups
}
