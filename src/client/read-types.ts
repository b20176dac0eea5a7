/** What reading deals in: submissions, the versions that may be read of them, and a version as it is read. */
import type { RecordClass } from '../contracts/consent-terms.ts'
import type { Anchor } from '../contracts/records-formats.ts'
import type { ObjectHeader } from '../fragments/formats.ts'
import type { Timer } from '../fragments/pace.ts'
import type { MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import type { ShownVersion } from './release-stream.ts'
import type { CustodianFailure } from './standings.ts'
import type { VersionDispute } from './version-disputes.ts'

/** One submission of a folder as the ledger shows it. */
export interface AnchoredSubmission {
  readonly root: Uint8Array
  readonly anchor: Anchor
}

/** A version that may be read. */
export interface ListedVersion extends ShownVersion {
  readonly submission: AnchoredSubmission
  readonly recordId: Uint8Array
  readonly version: number
  readonly class: RecordClass
  /** Time of the content, in ms, or null. */
  readonly dataTime: number | null
  /** Number of versions in the submission, whether they may be read or not; proven where all are shown. */
  readonly total: number
  /** What the folder's owner says is wrong with it, each proven by the ledger; none where it is left out. */
  readonly disputes?: readonly VersionDispute[]
}

/** A version as it was read and checked. */
export interface ReadVersion {
  readonly listed: ListedVersion
  readonly header: ObjectHeader
  /** Custodians whose fragments it is made of; complete when the content has been read. */
  readonly from: readonly MemberInfo[]
  /** Custodians that sent something wrong, failed or were overtaken; complete when the content has been read. */
  readonly failures: readonly CustodianFailure[]
  /** What it takes to go on with this read later from what of the content was kept. */
  readonly beginning: Omit<Resumable, 'content'>
  /** Opens the author's commitment to the header: with it anybody can check the content, and nobody can read another. */
  readonly commitmentSalt: Uint8Array
  /** The place for which its author signed, where that is another than this folder: its owner moved it here. */
  readonly place: Uint8Array | null
  /** The content. It is right only if the stream comes to its end without an error. */
  readonly content: AsyncIterable<Uint8Array>
}

/** The beginning of a version that was read before, of which the rest is to be read now. */
export interface Resumable {
  /** The object's header, as it was read. */
  readonly header: Uint8Array
  /** Salt under which the object is encrypted. */
  readonly objectSalt: Uint8Array
  /** The first bytes of the content, where that is not compressed. */
  content(): AsyncIterable<Uint8Array>
}

export interface ReadOptions extends CallOptions {
  /**
   * What is known of the first of the versions: it is not asked for again, but checked like the rest, and given out like it.
   * Where it is not the beginning of the version, the read fails with `resume-mismatch`.
   */
  known?: Resumable | undefined
  /** Clock by which slow custodians are told. */
  timer?: Timer
  /** Told of a custodian that sent something wrong or failed. */
  onFailure?: (member: MemberInfo, code: string) => void
}
