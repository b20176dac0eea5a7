/**
 * The format under all proofs of the state: a run of neighbouring leaves, with the hashes of everything left and right of
 * it, and how they fold into the root. Hashing is that of ICS23's `tendermintSpec` (see state-node.ts).
 */
import { concat } from '../encoding/bytes.ts'
import { MalformedError } from '../encoding/errors.ts'
import { HASH_LENGTH, sha256 } from '../encoding/hash.ts'
import { byteString, hash32, type Infer, list, nullable, type Schema, struct } from '../encoding/schema.ts'

/** Longest key of the state, in bytes: its length stays one byte in the leaf's hash. */
export const MAX_STATE_KEY_BYTES = 127
/** Longest value of the state, in bytes. */
export const MAX_STATE_VALUE_BYTES = 256 * 1024
/** Deepest that a leaf can lie: nine bits per byte of the longest key. */
export const MAX_STATE_DEPTH = 9 * MAX_STATE_KEY_BYTES

const keySchema = byteString(MAX_STATE_KEY_BYTES, 1)
/** A leaf shown only to bound the run. */
const neighbourSchema = struct({ key: keySchema, valueHash: hash32 })
const entrySchema = struct({ key: keySchema, value: byteString(MAX_STATE_VALUE_BYTES, 1) })
const entriesSchema = list(entrySchema, Number.MAX_SAFE_INTEGER)

export type StateNeighbour = Infer<typeof neighbourSchema>
export type StateEntry = Infer<typeof entrySchema>

/** Shown leaves are `left`, `entries`, `right`, in this order, with no other leaf of the tree between them. */
export interface StateRun {
  left: StateNeighbour | null
  entries: Infer<typeof entriesSchema>
  right: StateNeighbour | null
  /** Hashes of the subtrees left of the run, from left to right. */
  before: Uint8Array[]
  /** Hashes of the subtrees right of the run, from left to right. */
  after: Uint8Array[]
  /**
   * The fold in postfix, one bit each, most significant first: 0 takes the next of before, left, entries, right, after;
   * 1 joins the last two. The last byte is filled up with 0.
   */
  shape: Uint8Array
}

/** Longest shape of a run of so many entries, in bytes. */
function maxShapeBytes(maxEntries: number): number {
  return Math.ceil((2 * (2 * MAX_STATE_DEPTH + 2 + maxEntries)) / 8)
}

/** Bytes that a run needs at most beside the keys and values of its entries, encoded. */
export function maxRunOverhead(maxEntries: number): number {
  return (
    2 * MAX_STATE_DEPTH * (HASH_LENGTH + 2) + 2 * (MAX_STATE_KEY_BYTES + HASH_LENGTH + 8) + maxShapeBytes(maxEntries) + 10 * maxEntries + 64
  )
}

/** Schema of runs with at most so many entries. */
export function runSchema(maxEntries: number): Schema<StateRun> {
  return struct({
    left: nullable(neighbourSchema),
    entries: list(entrySchema, maxEntries),
    right: nullable(neighbourSchema),
    before: list(hash32, MAX_STATE_DEPTH),
    after: list(hash32, MAX_STATE_DEPTH),
    shape: byteString(maxShapeBytes(maxEntries), 1),
  })
}

/** Hash of a leaf: SHA-256(00 || |key| || key || 20 || SHA-256(value)). */
function leafHash(key: Uint8Array, valueHash: Uint8Array): Uint8Array {
  if (key.length < 1 || key.length > MAX_STATE_KEY_BYTES || valueHash.length !== HASH_LENGTH) {
    throw new MalformedError('a leaf of the state has the wrong lengths')
  }
  return sha256(concat(Uint8Array.of(0, key.length), key, Uint8Array.of(HASH_LENGTH), valueHash))
}

/** Hash of an inner node: SHA-256(01 || left || right). */
function innerHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concat(Uint8Array.of(1), left, right))
}

/**
 * Root that a run folds into. A leaf can never pass for an inner node nor the other way round: what is hashed opens with 00
 * for the one and 01 for the other, and hashes are 32 bytes.
 * @throws MalformedError where the shape does not use everything exactly once.
 */
export function runRoot(run: StateRun): Uint8Array {
  const terminals: Uint8Array[] = run.before.map(wholeHash)
  if (run.left !== null) terminals.push(leafHash(run.left.key, run.left.valueHash))
  for (const { key, value } of run.entries) {
    if (value.length === 0) throw new MalformedError('a value of the state is never empty')
    terminals.push(leafHash(key, sha256(value)))
  }
  if (run.right !== null) terminals.push(leafHash(run.right.key, run.right.valueHash))
  for (const hash of run.after) terminals.push(wholeHash(hash))

  const steps = 2 * terminals.length - 1
  if (run.shape.length !== Math.ceil(steps / 8)) throw new MalformedError('the shape of the run has the wrong length')
  const stack: Uint8Array[] = []
  let used = 0
  for (let step = 0; step < run.shape.length * 8; step++) {
    const join = (((run.shape[step >> 3] as number) >> (7 - (step & 7))) & 1) === 1
    if (step >= steps) {
      if (join) throw new MalformedError('the shape of the run has bits beyond its end')
    } else if (join) {
      const right = stack.pop()
      const left = stack.pop()
      if (left === undefined || right === undefined) throw new MalformedError('the shape of the run joins what is not there')
      stack.push(innerHash(left, right))
    } else {
      const terminal = terminals[used++]
      if (terminal === undefined) throw new MalformedError('the shape of the run takes more than there is')
      stack.push(terminal)
    }
  }
  // Of 2t - 1 steps at most t take and none joins below two, so what is left is one hash with everything in it; or t was 0.
  const [root] = stack
  if (root === undefined) throw new MalformedError('the run is empty')
  return root
}

function wholeHash(hash: Uint8Array): Uint8Array {
  if (hash.length !== HASH_LENGTH) throw new MalformedError('a hash of the run has the wrong length')
  return hash
}
