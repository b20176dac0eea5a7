/**
 * Merkle trees over lists, hashed as RFC 6962 section 2.1: leaf = SHA-256(00 || data), node = SHA-256(01 || left || right),
 * the left subtree holding the largest power of two below the count.
 */
import { concat, equalBytes } from './bytes.ts'
import { MalformedError } from './errors.ts'
import { sha256 } from './platform.ts'

const LEAF = Uint8Array.of(0)
const NODE = Uint8Array.of(1)

export function merkleLeaf(data: Uint8Array): Uint8Array {
  return sha256(concat(LEAF, data))
}

function merkleNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concat(NODE, left, right))
}

/** Largest power of two strictly below `n`, for n > 1. */
function split(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

/** Root over leaf hashes; of none, SHA-256 of nothing. */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256(new Uint8Array(0))
  return rangeRoot(leaves, 0, leaves.length)
}

function rangeRoot(leaves: readonly Uint8Array[], from: number, to: number): Uint8Array {
  if (to - from === 1) return leaves[from] as Uint8Array
  const middle = from + split(to - from)
  return merkleNode(rangeRoot(leaves, from, middle), rangeRoot(leaves, middle, to))
}

/** Root over data items. */
export function merkleRootOf(items: readonly Uint8Array[]): Uint8Array {
  return merkleRoot(items.map(merkleLeaf))
}

/**
 * Hashes that, together with the leaves at `indices` (ascending, distinct), give the root: one proof for one leaf or for
 * many, and empty when all leaves are shown.
 */
export function merkleProof(leaves: readonly Uint8Array[], indices: readonly number[]): Uint8Array[] {
  const wanted = [...indices]
  if (
    wanted.some(
      (index, i) => !Number.isInteger(index) || index < 0 || index >= leaves.length || (i > 0 && index <= (wanted[i - 1] as number)),
    )
  ) {
    throw new MalformedError('leaf indices must be ascending and inside the tree')
  }
  const out: Uint8Array[] = []
  const walk = (from: number, to: number, first: number, last: number): void => {
    if (first === last) out.push(rangeRoot(leaves, from, to))
    else if (to - from > 1) {
      const middle = from + split(to - from)
      let cut = first
      while (cut < last && (wanted[cut] as number) < middle) cut++
      walk(from, middle, first, cut)
      walk(middle, to, cut, last)
    }
  }
  if (leaves.length > 0) walk(0, leaves.length, 0, wanted.length)
  return out
}

/**
 * Root that the shown leaves and the proof amount to, in a tree of `count` leaves. The caller compares it with the root
 * that it trusts. @throws MalformedError where the proof does not have the shape that count and indices demand.
 */
export function merkleRootFromProof(
  count: number,
  shown: readonly { index: number; leaf: Uint8Array }[],
  proof: readonly Uint8Array[],
): Uint8Array {
  if (!Number.isSafeInteger(count) || count < 1) throw new MalformedError('a Merkle proof needs a tree with leaves')
  shown.forEach(({ index }, i) => {
    if (!Number.isInteger(index) || index < 0 || index >= count || (i > 0 && index <= (shown[i - 1] as { index: number }).index)) {
      throw new MalformedError('leaf indices must be ascending and inside the tree')
    }
  })
  let used = 0
  const walk = (from: number, to: number, first: number, last: number): Uint8Array => {
    if (first === last) {
      const hash = proof[used++]
      if (hash === undefined || hash.length !== 32) throw new MalformedError('Merkle proof is too short')
      return hash
    }
    if (to - from === 1) return (shown[first] as { leaf: Uint8Array }).leaf
    const middle = from + split(to - from)
    let cut = first
    while (cut < last && (shown[cut] as { index: number }).index < middle) cut++
    const left = walk(from, middle, first, cut)
    return merkleNode(left, walk(middle, to, cut, last))
  }
  const root = walk(0, count, 0, shown.length)
  if (used !== proof.length) throw new MalformedError('Merkle proof is too long')
  return root
}

/** Whether the leaf hash at `index` of `count` leaves belongs to `root`. */
export function verifyMerkleProof(root: Uint8Array, count: number, index: number, leaf: Uint8Array, proof: readonly Uint8Array[]): boolean {
  try {
    return equalBytes(merkleRootFromProof(count, [{ index, leaf }], proof), root)
  } catch {
    return false
  }
}
