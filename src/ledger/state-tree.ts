/** The authenticated state: an immutable Merkle tree over raw keys that answers for every version of itself. */
import { toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { sha256 } from '../encoding/hash.ts'
import { bytesToLatin1 } from './platform.ts'
import {
  closestLeaf,
  criticalBit,
  Edition,
  keyBit,
  keyText,
  leavesOf,
  neighbours,
  nodeHashBytes,
  StateInner,
  StateLeaf,
  type StateNode,
  subtreeOf,
} from './state-node.ts'
import { MAX_STATE_KEY_BYTES, MAX_STATE_VALUE_BYTES } from './state-run.ts'

/** Anything that state can be read from: a tree, or changes laid over one. */
export interface StateReader {
  /** The value at a key; undefined where there is none. */
  get(key: Uint8Array): Uint8Array | undefined
}

/** One change of the state; null deletes, and deleting what is not there changes nothing. */
export interface StateChange {
  key: Uint8Array
  value: Uint8Array | null
}

/**
 * An immutable map from keys (1 to 127 bytes) to values (1 byte to 256 KiB) with a Merkle root that depends on the content
 * alone, not on the history. {@link apply} copies the paths that change and shares the rest, so that old versions stay valid
 * and cost only their differences. Hashes are computed when {@link root} is first asked for, and once.
 */
export class StateTree implements StateReader {
  static readonly #empty = new StateTree(undefined, 0)

  readonly #root: StateNode | undefined
  readonly #size: number
  #rootHash: Uint8Array | undefined

  private constructor(root: StateNode | undefined, size: number) {
    this.#root = root
    this.#size = size
  }

  static empty(): StateTree {
    return StateTree.#empty
  }

  /** @internal For {@link StateTreeBuilder}. */
  static fromNodes(root: StateNode | undefined, size: number): StateTree {
    return root === undefined ? StateTree.#empty : new StateTree(root, size)
  }

  /** Number of keys. */
  get size(): number {
    return this.#size
  }

  /** Root node, for proofs. Nodes of a tree are never changed. */
  get node(): StateNode | undefined {
    return this.#root
  }

  /** Merkle root, 32 bytes; of the empty tree, SHA-256 of nothing. */
  get root(): Uint8Array {
    this.#rootHash ??= this.#root === undefined ? sha256(new Uint8Array(0)) : nodeHashBytes(this.#root)
    return this.#rootHash
  }

  get(key: Uint8Array): Uint8Array | undefined {
    if (this.#root === undefined) return undefined
    const text = keyText(key)
    const leaf = closestLeaf(this.#root, text)
    return leaf.key === text ? leaf.valueBytes : undefined
  }

  /**
   * The tree after the changes, in their order (of two changes of one key the later counts). This tree stays as it is.
   * @throws EpioneError `empty-value`, `state-value-length`, `state-key-length`; then nothing has changed.
   */
  apply(changes: readonly StateChange[]): StateTree {
    const edition = new Edition()
    let root = this.#root
    let size = this.#size
    for (const { key, value } of changes) {
      const text = checkedKey(key)
      const closest = root === undefined ? undefined : closestLeaf(root, text)
      const split = closest === undefined ? undefined : criticalBit(closest.key, text)
      const present = closest !== undefined && split === undefined
      if (value === null) {
        if (!present) continue
        root = remove(root as StateNode, text, edition)
        size--
        continue
      }
      const leaf = new StateLeaf(text, checkedValue(key, value))
      if (present && closest.value === leaf.value) continue
      root = root === undefined ? leaf : place(root, leaf, split ?? Number.POSITIVE_INFINITY, edition)
      if (!present) size++
    }
    return root === this.#root ? this : StateTree.fromNodes(root, size)
  }

  /** The first key at or above `key`; undefined where there is none. */
  keyFrom(key: Uint8Array): Uint8Array | undefined {
    const { at, after } = neighbours(this.#root, keyText(key))
    return (at ?? after)?.keyBytes
  }

  /** Keys that start with `prefix` and their values, ascending. */
  *entries(prefix: Uint8Array): Generator<[Uint8Array, Uint8Array]> {
    const subtree = subtreeOf(this.#root, keyText(prefix))
    if (subtree === undefined) return
    for (const leaf of leavesOf(subtree)) yield [leaf.keyBytes, leaf.valueBytes]
  }
}

/** A node that this edition may change: the node itself where the edition made it, else a copy. */
function own(node: StateInner, edition: Edition): StateInner {
  return node.hash === edition ? node : new StateInner(node.bit, node.left, node.right, edition)
}

/** Puts a leaf in place of the one with its key (`split` infinite), or beside what differs from its key first at `split`. */
function place(node: StateNode, leaf: StateLeaf, split: number, edition: Edition): StateNode {
  if (node instanceof StateLeaf || node.bit > split) {
    if (split === Number.POSITIVE_INFINITY) return leaf
    return keyBit(leaf.key, split) === 0 ? new StateInner(split, leaf, node, edition) : new StateInner(split, node, leaf, edition)
  }
  const mine = own(node, edition)
  if (keyBit(leaf.key, mine.bit) === 0) mine.left = place(mine.left, leaf, split, edition)
  else mine.right = place(mine.right, leaf, split, edition)
  return mine
}

/** Takes out the leaf of a key that is there; the node above it gives way to its other child. */
function remove(node: StateNode, key: string, edition: Edition): StateNode | undefined {
  if (node instanceof StateLeaf) return undefined
  const goesLeft = keyBit(key, node.bit) === 0
  const rest = remove(goesLeft ? node.left : node.right, key, edition)
  if (rest === undefined) return goesLeft ? node.right : node.left
  const mine = own(node, edition)
  if (goesLeft) mine.left = rest
  else mine.right = rest
  return mine
}

function checkedKey(key: Uint8Array): string {
  if (key.length < 1 || key.length > MAX_STATE_KEY_BYTES) {
    throw new EpioneError('state-key-length', `A key of the state has 1 to ${MAX_STATE_KEY_BYTES} bytes, not ${key.length}.`, {
      metadata: { length: key.length },
    })
  }
  return keyText(key)
}

function checkedValue(key: Uint8Array, value: Uint8Array): string {
  if (value.length === 0) {
    throw new EpioneError('empty-value', 'A value of the state is never empty: delete the key instead.', { metadata: { key: toHex(key) } })
  }
  if (value.length > MAX_STATE_VALUE_BYTES) {
    throw new EpioneError('state-value-length', `A value of the state has at most ${MAX_STATE_VALUE_BYTES} bytes, not ${value.length}.`, {
      metadata: { length: value.length },
    })
  }
  return bytesToLatin1(value)
}

/** Builds a tree from leaves in ascending order of their keys, in linear time: for reopening a stored state. */
export class StateTreeBuilder {
  readonly #edition = new Edition()
  /** Inner nodes on the way from the root to the last leaf; the right child of the deepest is that leaf. */
  readonly #spine: StateInner[] = []
  #last: StateLeaf | undefined
  #size = 0

  /** @throws EpioneError `state-order` where the key is not above the one before, and as {@link StateTree.apply}. */
  add(key: Uint8Array, value: Uint8Array): void {
    const leaf = new StateLeaf(checkedKey(key), checkedValue(key, value))
    const last = this.#last
    this.#last = leaf
    this.#size++
    if (last === undefined) return
    if (last.key >= leaf.key) throw new EpioneError('state-order', 'Leaves of the state must come in ascending order of their keys.')
    const split = criticalBit(last.key, leaf.key) as number
    let below: StateNode = last
    while (this.#spine.length > 0 && (this.#spine.at(-1) as StateInner).bit > split) below = this.#spine.pop() as StateInner
    const inner = new StateInner(split, below, leaf, this.#edition)
    const parent = this.#spine.at(-1)
    if (parent !== undefined) parent.right = inner
    this.#spine.push(inner)
  }

  finish(): StateTree {
    return StateTree.fromNodes(this.#spine[0] ?? this.#last, this.#size)
  }
}
