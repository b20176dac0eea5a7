/**
 * A move of versions to another folder of the same owner: what the two owner keys sign for the organisation that wrote them, and what that
 * organisation checks before it stands for them in the other folder. Ciphertext and author's commitment stay; the key is sealed anew.
 */
import { concat, equalBytes } from '../encoding/bytes.ts'
import { MalformedError } from '../encoding/errors.ts'
import { domain } from '../encoding/hash.ts'
import { merkleRootFromProof } from '../encoding/merkle.ts'
import { codec, fixedBytes, hash32, type Infer, integer, list, struct } from '../encoding/schema.ts'
import { MAX_SUBMISSION_VERSIONS, submissionRoot, type VersionLeaf, versionLeafCodec, versionLeafHash } from './formats.ts'

/** Most versions that are moved as one submission. */
export const MAX_MOVED_VERSIONS = 128

export const moveCodec = codec(
  struct({
    chainId: hash32,
    /** Folder where the versions are, and the submission that holds them there. */
    source: hash32,
    sourceRoot: hash32,
    /** Number of leaves of that submission, and the proof of those that are moved. */
    total: integer(MAX_SUBMISSION_VERSIONS, 1),
    proof: list(hash32, MAX_MOVED_VERSIONS * 12),
    /** Folder to which they go; the same one, where what stays is anchored anew. */
    target: hash32,
    /** In the order of the new submission, which is that of the old one. */
    versions: list(
      struct({
        position: integer(MAX_SUBMISSION_VERSIONS - 1),
        leaf: versionLeafCodec,
        /** What is another in the new submission. */
        sealedKeyHash: hash32,
        classCommitment: hash32,
      }),
      MAX_MOVED_VERSIONS,
      1,
    ),
    /** Network key of the connection over which the organisation is asked. */
    peer: fixedBytes(32),
    /** Clock of the asker, in ms. */
    time: integer(),
  }),
  112 * 1024,
)
export type Move = Infer<typeof moveCodec>

/** What is signed of a move, by the owners of both folders. */
export function moveBytes(encoded: Uint8Array): Uint8Array {
  return concat(domain('move'), encoded)
}

/** Leaves of the submission that a move makes: everything of the old ones but what the folder and the new salt change. */
export function movedLeaves(versions: Move['versions']): VersionLeaf[] {
  return versions.map(({ leaf, sealedKeyHash, classCommitment }) => ({ ...leaf, sealedKeyHash, classCommitment }))
}

/**
 * Root of the submission that a move makes, where the versions are proven to be in the old one.
 * @throws MalformedError where they are not
 */
export function movedRoot({ versions, total, proof, sourceRoot }: Move): Uint8Array {
  const shown = versions.map(({ position, leaf }) => ({ index: position, leaf: versionLeafHash(leaf) }))
  if (!equalBytes(merkleRootFromProof(total, shown, proof), sourceRoot)) {
    throw new MalformedError('the versions to move are not in their submission')
  }
  return submissionRoot(movedLeaves(versions))
}
