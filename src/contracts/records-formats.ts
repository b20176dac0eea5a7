/** Formats of the records contract. */

import { u64 } from '../encoding/bytes.ts'
import { taggedHash } from '../encoding/hash.ts'
import { codec, hash32, type Infer, integer, list, struct } from '../encoding/schema.ts'

/** Body of `records.anchor`, from the author organisation or from the folder with a sponsor. */
export const anchorBodyCodec = codec(
  struct({
    folder: hash32,
    epoch: integer(0xffff_ffff),
    submissionRoot: hash32,
    /** Exponent e of the smallest power of two, 2^e bytes, that holds all ciphertexts of the submission. */
    sizeBucket: integer(53),
    n: integer(48, 4),
    k: integer(32, 2),
    /** Height of the set of custodians by which the fragments were placed. */
    memberHeight: integer(),
  }),
  256,
)
export type AnchorBody = Infer<typeof anchorBodyCodec>

/** Value at `stateKey.submission`. */
export const anchorCodec = codec(
  struct({
    /** Member that anchored it. */
    author: hash32,
    epoch: integer(0xffff_ffff),
    sizeBucket: integer(53),
    n: integer(48, 4),
    k: integer(32, 2),
    memberHeight: integer(),
    /** Height of the block that anchored it. */
    height: integer(),
  }),
  256,
)
export type Anchor = Infer<typeof anchorCodec>

/** The mark that erases a version: only who knew the version and its salt can name it. */
export function erasureMark(salt: Uint8Array, recordId: Uint8Array, version: number): Uint8Array {
  return taggedHash('erasure', salt, recordId, u64(version))
}

/** Body of `records.erase`, from the folder. */
export const eraseBodyCodec = codec(struct({ marks: list(hash32, 1000, 1) }), 48 * 1024)
export type EraseBody = Infer<typeof eraseBodyCodec>

/** Value at `stateKey.erasure`: the height of the order. */
export const erasureCodec = codec(integer(), 16)
