/** Protocol ids and the bounds of their frames. Who may speak each is said where it is handled. */
import { MAX_BATCH_BYTES } from '../ledger/block.ts'

export const PROTOCOL = {
  /** Proposals, votes and certificates, between validators. */
  consensus: '/epione/consensus/1',
  /** Batches pushed between validators before they are ordered. */
  batches: '/epione/batches/1',
  /** A batch by its digest, from a validator that named it or voted for it. */
  batch: '/epione/batch/1',
  /** Committed blocks by height, between members. */
  sync: '/epione/sync/1',
  /** Where two members stand (height, tip, clock), told to each other. */
  peerStatus: '/epione/peer-status/1',
  /** Snapshots of the state, headers, and blocks with their receipts, between members: how a newcomer joins without replaying. */
  snapshot: '/epione/snapshot/1',
  /** What anybody may ask a node about the ledger. */
  light: '/epione/light/1',
  /** What an organisation's own people ask of its node. */
  desk: '/epione/desk/1',
  /** Upload of fragments to a custodian. */
  upload: '/epione/upload/1',
  /** Release of fragments by a custodian. */
  release: '/epione/release/1',
  /** Grant wraps, and receipts of releases and erasures, that a custodian keeps for a folder. */
  folder: '/epione/folder/1',
  /** Storage audits: a validating member challenges a custodian. */
  audit: '/epione/audit/1',
  /** Fragments that a custodian lost, given back as masked sums, between members. */
  repair: '/epione/repair/1',
} as const

/** Longest answer of the light protocol, in bytes. */
export const MAX_LIGHT_RESPONSE = 4 * 1024 * 1024
export const MAX_LIGHT_REQUEST = 128 * 1024
/** Longest range of blocks in one answer, in bytes; one block is always given whole. */
export const MAX_SYNC_RESPONSE = 12 * 1024 * 1024
/** Bytes of blocks after which such an answer ends; only for the sake of this bound is it shorter than what was asked for. */
export const SYNC_ANSWER_BYTES = MAX_SYNC_RESPONSE / 2
/** Longest answer about snapshots, in bytes: one block with its receipts is always given whole. */
export const MAX_SNAPSHOT_RESPONSE = 32 * 1024 * 1024
export const MAX_BATCH_RESPONSE = MAX_BATCH_BYTES + 128 * 1024
/** Longest frame of uploads and releases: a list of chunk hashes or of version metadata. */
export const MAX_FRAGMENT_FRAME = 1024 * 1024
