/** Proofs that go with what an owner takes along: each version by its author's commitment and signature, each submission by its anchor. */
import { folderCodec } from '../contracts/folders-formats.ts'
import { type Anchor, anchorCodec } from '../contracts/records-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { verifySignature } from '../crypto/signature.ts'
import { equalBytes, parseHex, toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { codec, hash32, type Infer, integer, struct } from '../encoding/schema.ts'
import {
  type ObjectHeader,
  objectHeaderCodec,
  provenanceBytes,
  provenancePlace,
  recordCommitment,
  submissionRoot,
  type VersionLeaf,
  versionLeafCodec,
} from '../fragments/formats.ts'
import { queryResponseCodec } from '../network/light-messages.ts'
import type { LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import type { ReadVersion } from './read-types.ts'
import { type Believe, collectProofs, readProofs, stateEvidenceSchema } from './state-evidence.ts'

const anchorsCodec = codec(
  struct({ version: integer(1, 1), chainId: hash32, folder: hash32, proofs: stateEvidenceSchema }),
  64 * 1024 * 1024,
)
/** Proofs of a folder and of its submissions' anchors. */
export type AnchorProofs = Infer<typeof anchorsCodec>
export const encodeAnchors = (proofs: AnchorProofs): Uint8Array => anchorsCodec.encode(proofs)

/** Inverse of `encodeAnchors`. @throws EpioneError `bad-evidence` */
export function decodeAnchors(bytes: Uint8Array): AnchorProofs {
  try {
    return anchorsCodec.decode(bytes)
  } catch (cause) {
    throw new EpioneError('bad-evidence', 'These are no proofs of a folder; `epione export` writes them.', { cause })
  }
}

/** Proofs, by a node and checked, of the anchors of a folder's submissions: with them what was taken along can be checked later. */
export async function collectAnchors(
  peer: LightPeer,
  folder: Uint8Array,
  roots: readonly Uint8Array[],
  options: CallOptions = {},
): Promise<AnchorProofs> {
  const keys = [stateKey.folder(folder), ...roots.map(root => stateKey.submission(folder, root))]
  return { version: 1, chainId: peer.chainId, folder, proofs: await collectProofs(peer, keys, options) }
}

/** The anchors that the proofs show, by the submission's hex, and the height of the newest state among them. */
export async function readAnchors(
  evidence: AnchorProofs,
  believe: Believe,
): Promise<{ anchors: Map<string, Anchor>; height: number; time: number }> {
  const { values, headers } = await readProofs(evidence.proofs, believe)
  const folder = values.get(toHex(stateKey.folder(evidence.folder)))
  if (folder === null || folder === undefined) throw new EpioneError('invalid-proof', 'The ledger has no such folder.')
  folderCodec.decode(folder)
  const prefix = toHex(stateKey.submissions(evidence.folder))
  const anchors = new Map<string, Anchor>()
  for (const [key, value] of values)
    if (key.startsWith(prefix) && value !== null) anchors.set(key.slice(prefix.length), anchorCodec.decode(value))
  const newest = headers.reduce((best, header) => (header.height > best.height ? header : best))
  return { anchors, height: newest.height, time: newest.time }
}

/** Commits that the proofs stand on. */
export function commitsOf(evidence: AnchorProofs) {
  return evidence.proofs.map(({ answer }) => queryResponseCodec.decode(answer).commit)
}

/** What proves one version, as texts: all that an export keeps of it beside its content. */
export interface VersionProof {
  readonly submission: string
  readonly leaf: number
  /** Number of versions in the submission. */
  readonly total: number
  /** Leaf of the submission's tree. */
  readonly versionLeaf: string
  /** The object's header, to which the author committed, and the salt that opens the commitment. */
  readonly header: string
  readonly commitmentSalt: string
  /** Of a version that its owner moved here: the place for which its author signed. Null for one that was written into this folder. */
  readonly place: string | null
}

/** What it takes to prove a version that was read to somebody else. */
export function proofOf({ listed, beginning, commitmentSalt, place }: ReadVersion): VersionProof {
  return {
    submission: toHex(listed.submission.root),
    leaf: listed.leaf,
    total: listed.total,
    versionLeaf: toHex(versionLeafCodec.encode(listed.meta.leaf)),
    header: toHex(beginning.header),
    commitmentSalt: toHex(commitmentSalt),
    place: place === null ? null : toHex(place),
  }
}

export interface CheckedVersion {
  readonly header: ObjectHeader
  readonly leaf: VersionLeaf
}

/** Checks what holds of a version by itself: header, commitment, author's signature. @throws EpioneError `invalid-proof` */
export function checkVersion(folder: Uint8Array, proof: VersionProof): CheckedVersion {
  const bytes = (hex: string): Uint8Array => {
    const found = parseHex(hex)
    if (found === undefined) throw new EpioneError('invalid-proof', 'A proof of a version is not in hexadecimal digits.')
    return found
  }
  const leaf = versionLeafCodec.decode(bytes(proof.versionLeaf))
  const headerBytes = bytes(proof.header)
  const header = objectHeaderCodec.decode(headerBytes)
  const salt = bytes(proof.commitmentSalt)
  const place = proof.place === null ? provenancePlace(salt, folder) : bytes(proof.place)
  const isRight =
    equalBytes(recordCommitment(salt, headerBytes), leaf.commitment) &&
    verifySignature(header.author.key, provenanceBytes(place, leaf.recordId, leaf.version, header), header.author.signature)
  if (!isRight) throw new EpioneError('invalid-proof', 'A version is not what its author committed to and signed.')
  return { header, leaf }
}

/**
 * Whether versions are those of an anchored submission: proven where all of them are here; where some are missing, such as those that
 * were erased, the root cannot be made again.
 * @throws EpioneError `invalid-proof` where they are others
 */
export function isWholeSubmission(root: string, versions: readonly { proof: VersionProof; leaf: VersionLeaf }[]): boolean {
  const total = versions[0]?.proof.total ?? 0
  const leaves = new Map(versions.map(({ proof, leaf }) => [proof.leaf, leaf]))
  if (leaves.size !== total) return false
  const ordered = Array.from({ length: total }, (_, i) => leaves.get(i))
  if (ordered.some(leaf => leaf === undefined)) return false
  if (toHex(submissionRoot(ordered as VersionLeaf[])) !== root)
    throw new EpioneError('invalid-proof', 'The versions are not those of the submission that is anchored.')
  return true
}
