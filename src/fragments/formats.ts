/** Formats of records, submissions and fragments: what custodians hold and what readers check against the ledger. */

import { type RecordClass, recordClassSchema } from '../contracts/consent-terms.ts'
import { emergencyReasonSchema } from '../contracts/emergency-formats.ts'
import { labelSchema } from '../contracts/folders-formats.ts'
import { concat, u64 } from '../encoding/bytes.ts'
import { MalformedError } from '../encoding/errors.ts'
import { domain, taggedHash } from '../encoding/hash.ts'
import { merkleLeaf, merkleRoot } from '../encoding/merkle.ts'
import {
  bool,
  byteString,
  codec,
  fixedBytes,
  hash32,
  type Infer,
  integer,
  list,
  nullable,
  oneOf,
  struct,
  text,
} from '../encoding/schema.ts'

/** Most versions of one submission. */
export const MAX_SUBMISSION_VERSIONS = 4096
/** Longest ciphertext of one version, in bytes. */
export const MAX_CIPHERTEXT_BYTES = 2 ** 40

/** More chunks than a fragment has. */
export const MAX_FRAGMENT_CHUNKS = 2 ** 24

/** Leaf of a submission's Merkle tree: one version, as the author committed to it. */
export const versionLeafCodec = codec(
  struct({
    /** Random, chosen once per record. */
    recordId: hash32,
    /** 1 for the first version of a record. */
    version: integer(0xffff_ffff, 1),
    /** Root over the fragments of the ciphertext; binds n, k and the ciphertext's size. */
    dispersalRoot: hash32,
    /** Commitment to the object header and so to the content: see {@link recordCommitment}. */
    commitment: hash32,
    /** Hash of the key sealed to the folder. */
    sealedKeyHash: hash32,
    classCommitment: hash32,
  }),
  512,
)
export type VersionLeaf = Infer<typeof versionLeafCodec>

export function versionLeafHash(leaf: VersionLeaf): Uint8Array {
  return merkleLeaf(versionLeafCodec.encode(leaf))
}

/** Root that the ledger anchors. */
export function submissionRoot(leaves: readonly VersionLeaf[]): Uint8Array {
  return merkleRoot(leaves.map(versionLeafHash))
}

/** Commitment to a version's content, under a salt that only holders of its key can derive. */
export function recordCommitment(commitmentSalt: Uint8Array, objectHeader: Uint8Array): Uint8Array {
  return taggedHash('record', commitmentSalt, u64(objectHeader.length), objectHeader)
}

export function sealedKeyHash(sealedKey: Uint8Array): Uint8Array {
  return taggedHash('sealed-key', sealedKey)
}

/** Hash by which the ledger names the commitments to a folder's shares. */
export function shareCommitmentsHash(commitments: Uint8Array): Uint8Array {
  return taggedHash('share-commitments', commitments)
}

/** Hash by which the ledger names a review's sealed opening. */
export function sealedReviewHash(sealed: Uint8Array): Uint8Array {
  return taggedHash('sealed-review', sealed)
}

export function wrapHash(wrap: Uint8Array): Uint8Array {
  return taggedHash('grant-wrap', wrap)
}

const classOpeningCodec = codec(struct({ salt: hash32, class: recordClassSchema, dataTime: nullable(integer()) }), 128)

/** Commitment to a version's class and the time of its content (ms, or null); custodians hold the opening. */
export function classCommitment(salt: Uint8Array, recordClass: RecordClass, dataTime: number | null): Uint8Array {
  return taggedHash('class', classOpeningCodec.encode({ salt, class: recordClass, dataTime }))
}

/** HPKE contexts. `info` names the network and the use, `aad` the object, so that a sealed key fits one place alone. */
export const sealingContext = {
  /** A version's key ({@link VersionKey}), sealed to the folder's sealing key of `epoch`. */
  versionKey: (chainId: Uint8Array, folder: Uint8Array, epoch: number, recordId: Uint8Array, version: number) => ({
    info: concat(domain('seal-version-key'), chainId),
    aad: concat(folder, u64(epoch), recordId, u64(version)),
  }),
  /** A folder's private sealing seed, wrapped to a grantee under a consent's commitment. */
  grant: (chainId: Uint8Array, folder: Uint8Array, epoch: number, commitment: Uint8Array) => ({
    info: concat(domain('seal-grant'), chainId),
    aad: concat(folder, u64(epoch), commitment),
  }),
  /** The private sealing seeds of all epochs before `epoch`, sealed to its key. */
  previousEpoch: (chainId: Uint8Array, folder: Uint8Array, epoch: number) => ({
    info: concat(domain('seal-previous-epoch'), chainId),
    aad: concat(folder, u64(epoch)),
  }),
  /** A patient's statement about a version, sealed to the folder's key of an epoch, or to the author organisation's key. */
  statement: (chainId: Uint8Array, folder: Uint8Array, recordId: Uint8Array, version: number) => ({
    info: concat(domain('seal-statement'), chainId),
    aad: concat(folder, recordId, u64(version)),
  }),
  /** An author's reason to refuse a dispute, sealed to the folder's key of the dispute's epoch. */
  reason: (chainId: Uint8Array, folder: Uint8Array, dispute: Uint8Array) => ({
    info: concat(domain('seal-reason'), chainId),
    aad: concat(folder, dispute),
  }),
  /** A share of a folder's seed of `epoch`, to the custodian of that position; the hash is that of the commitments to the shares. */
  emergencyShare: (chainId: Uint8Array, folder: Uint8Array, epoch: number, commitments: Uint8Array, position: number) => ({
    info: concat(domain('seal-emergency-share'), chainId),
    aad: concat(folder, u64(epoch), commitments, u64(position)),
  }),
  /** The same share, from its custodian to whom an access entry names. */
  emergencyRelease: (chainId: Uint8Array, entry: Uint8Array, commitments: Uint8Array, position: number) => ({
    info: concat(domain('seal-emergency-release'), chainId),
    aad: concat(entry, commitments, u64(position)),
  }),
  /** The outcome of a review, to the folder's owner. */
  emergencyReview: (chainId: Uint8Array, folder: Uint8Array, entry: Uint8Array) => ({
    info: concat(domain('seal-emergency-review'), chainId),
    aad: concat(folder, entry),
  }),
  /** Openings of a read that a custodian keeps for the folder's owner. */
  releaseOpening: (chainId: Uint8Array, folder: Uint8Array, entry: Uint8Array) => ({
    info: concat(domain('seal-release'), chainId),
    aad: concat(folder, entry),
  }),
}

/** Header at the start of every plaintext object; the content follows, then zero padding to the size class. */
export const objectHeaderCodec = codec(
  struct({
    version: integer(1, 1),
    mediaType: text(128),
    /** What the content is to its submission: a record of its own, or the manifest that puts a Bundle together again. */
    kind: oneOf('record', 'manifest'),
    encoding: oneOf('identity', 'zstd'),
    /** Hash of the compression dictionary, where one was used. */
    dictionary: nullable(hash32),
    /** Length of the content as given, in bytes. */
    size: integer(),
    /** Length of the content as stored after this header, in bytes. */
    storedSize: integer(),
    /** SHA-256 of the content as given. */
    contentHash: hash32,
    /** FHIR resource type, or empty for other content. */
    resourceType: text(64),
    /** Recorded time, in ms. */
    time: integer(),
    /** Who signs for the content, within the author organisation: key, role, and signature over {@link provenanceBytes}. */
    author: struct({ organisation: hash32, key: fixedBytes(32), role: text(64), signature: fixedBytes(64) }),
  }),
  2048,
)
export type ObjectHeader = Infer<typeof objectHeaderCodec>

/** An object header before its author has signed: everything but the signature. */
export type UnsignedObjectHeader = Omit<ObjectHeader, 'author'> & { readonly author: Omit<ObjectHeader['author'], 'signature'> }

/**
 * Where an author writes, as they sign it: the folder under a salt that only holders of the version's key can derive. So whoever reads the
 * version in another folder, to which its owner moved it, can check the signature and does not learn from which folder it came.
 */
export function provenancePlace(commitmentSalt: Uint8Array, folder: Uint8Array): Uint8Array {
  return taggedHash('provenance-place', commitmentSalt, folder)
}

/**
 * Bytes that the author signs inside the ciphertext: where the version belongs and all of its header, save the signature.
 * @param place see {@link provenancePlace}
 */
export function provenanceBytes(place: Uint8Array, recordId: Uint8Array, version: number, header: UnsignedObjectHeader): Uint8Array {
  const author = { ...header.author, signature: new Uint8Array(64) }
  return concat(domain('provenance'), place, recordId, u64(version), objectHeaderCodec.encode({ ...header, author }))
}

const KEY_LENGTH = 32

/** What is sealed to a folder for a version: its key, and for one that was moved here the place for which its author signed. */
export interface VersionKey {
  readonly key: Uint8Array
  /** See {@link provenancePlace}; null where the author wrote it into this folder. */
  readonly place: Uint8Array | null
}

export function encodeVersionKey({ key, place }: VersionKey): Uint8Array {
  return place === null ? key : concat(key, place)
}

/** @throws MalformedError */
export function decodeVersionKey(bytes: Uint8Array): VersionKey {
  if (bytes.length !== KEY_LENGTH && bytes.length !== 2 * KEY_LENGTH)
    throw new MalformedError('a version key has 32 bytes, or 64 where it was moved')
  return { key: bytes.slice(0, KEY_LENGTH), place: bytes.length === KEY_LENGTH ? null : bytes.slice(KEY_LENGTH) }
}

/** What a custodian learns of one version beside its fragment: enough to check, decide and answer; nothing that opens it. */
export const versionMetaSchema = struct({
  leaf: versionLeafCodec,
  /** Suite byte and ciphertext of the version's key. */
  sealedKey: byteString(4096),
  /** Opens the class commitment and names the erasure mark. */
  salt: hash32,
  class: recordClassSchema,
  /** Time of the content, in ms, where it has one. */
  dataTime: nullable(integer()),
  /** Ciphertext length in bytes. */
  size: integer(MAX_CIPHERTEXT_BYTES, 1),
})
export type VersionMeta = Infer<typeof versionMetaSchema>
export const versionMetaCodec = codec(versionMetaSchema, 8192)

/** What opens an upload: signed by a member's signing key. */
export const uploadTicketCodec = codec(
  struct({
    folder: hash32,
    epoch: integer(0xffff_ffff),
    submissionRoot: hash32,
    versions: integer(MAX_SUBMISSION_VERSIONS, 1),
    /** Sum of the ciphertext lengths, in bytes. */
    size: integer(MAX_CIPHERTEXT_BYTES),
    n: integer(48, 4),
    k: integer(32, 2),
    memberHeight: integer(),
    labelSalt: hash32,
    label: labelSchema,
    /** Member in whose quota the fragments are staged. */
    sponsor: hash32,
    /** Until when the ticket opens an upload, in ms. */
    until: integer(),
  }),
  1024,
)
export type UploadTicket = Infer<typeof uploadTicketCodec>
export function uploadTicketBytes(ticket: UploadTicket): Uint8Array {
  return concat(domain('upload-ticket'), uploadTicketCodec.encode(ticket))
}

/** A custodian's word that it has its fragments of a submission on disk. */
export const storageReceiptCodec = codec(
  struct({ chainId: hash32, submissionRoot: hash32, custodian: hash32, index: integer(47), bytes: integer(), time: integer() }),
  256,
)
export type StorageReceipt = Infer<typeof storageReceiptCodec>
export function storageReceiptBytes(receipt: StorageReceipt): Uint8Array {
  return concat(domain('storage-receipt'), storageReceiptCodec.encode(receipt))
}

/** What a reader signs for one custodian, so that no other can replay it. */
export const readRequestCodec = codec(
  struct({
    chainId: hash32,
    /** Committed access entry. */
    entry: hash32,
    folder: hash32,
    custodian: hash32,
    /** The peer id (its Ed25519 key) of the connection over which it is asked. */
    peer: byteString(64),
    /** Clock of the reader, in ms; custodians accept two minutes either way. */
    time: integer(),
    submissionRoot: hash32,
    /** Positions in the submission, ascending; null asks for the list of what may be read, without fragments. */
    leaves: nullable(list(integer(MAX_SUBMISSION_VERSIONS - 1), MAX_SUBMISSION_VERSIONS, 1)),
    /** Chunk with which the fragment of the first of them begins: where another custodian failed, or a read goes on. */
    firstChunk: integer(MAX_FRAGMENT_CHUNKS),
  }),
  64 * 1024,
)
export type ReadRequest = Infer<typeof readRequestCodec>
export function readRequestBytes(request: ReadRequest): Uint8Array {
  return concat(domain('read-request'), readRequestCodec.encode(request))
}

/** What a custodian keeps, sealed to the folder's owner, with each release receipt: the openings on which it decided. */
export const releaseOpeningsCodec = codec(
  struct({
    access: byteString(32 * 1024),
    consent: nullable(byteString(16 * 1024)),
    /** Of break-glass alone: why the patient was not asked. */
    reason: nullable(emergencyReasonSchema),
  }),
  60 * 1024,
)

/**
 * A custodian's signed line about what it released; the patient reads these beside the ledger's entries. One of no leaves that is no list
 * is of a share of the folder's key: `submissionRoot` is then the hash of the commitments to the shares.
 */
export const releaseReceiptCodec = codec(
  struct({
    chainId: hash32,
    entry: hash32,
    folder: hash32,
    custodian: hash32,
    submissionRoot: hash32,
    leaves: list(integer(MAX_SUBMISSION_VERSIONS - 1), MAX_SUBMISSION_VERSIONS),
    /** Whether it was a list, without fragments. */
    listed: bool,
    /** Height at which the custodian decided. */
    height: integer(),
    time: integer(),
    /** The access opening (and the consent's, where there is one), sealed to the folder's key. */
    sealedOpening: byteString(64 * 1024),
  }),
  128 * 1024,
)
export type ReleaseReceipt = Infer<typeof releaseReceiptCodec>
export function releaseReceiptBytes(receipt: ReleaseReceipt): Uint8Array {
  return concat(domain('release-receipt'), releaseReceiptCodec.encode(receipt))
}

/**
 * A custodian's word that it holds nothing that a mark names, as of a height of the ledger: no fragment, no sealed key, no salt, nor a
 * key at rest that opens an older copy of them.
 */
export const erasureReceiptCodec = codec(
  struct({
    chainId: hash32,
    custodian: hash32,
    folder: hash32,
    mark: hash32,
    /** Whether there was something to destroy. */
    destroyed: bool,
    /** Height of the ledger at which it holds. */
    height: integer(),
    /** Clock of the custodian, in ms. */
    time: integer(),
  }),
  256,
)
export type ErasureReceipt = Infer<typeof erasureReceiptCodec>
export function erasureReceiptBytes(receipt: ErasureReceipt): Uint8Array {
  return concat(domain('erasure-receipt'), erasureReceiptCodec.encode(receipt))
}

/** Key in the DHT under which custodians announce a submission. */
export function submissionLocator(root: Uint8Array): Uint8Array {
  return taggedHash('locate', root)
}
