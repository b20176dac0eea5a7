/**
 * Nodes of the state tree: a path-compressed binary trie ("crit-bit", Morrison 1968, Bernstein) over raw keys. Hashes are
 * those of ICS23's `tendermintSpec`: leaf = SHA-256(00 || |key| || key || 20 || SHA-256(value)), inner = SHA-256(01 || L || R).
 * The bit at which an inner node splits is not hashed: it follows from the keys.
 *
 * A key is read as nine bits per byte: a 1 that says "there is a byte", then the byte. So a key that is a prefix of another
 * differs from it too, and comes first: the order is that of `compareBytes`.
 */
import { bytesToLatin1, innerHashLatin1, latin1ToBytes, sha256Latin1 } from './platform.ts'

const BITS_PER_BYTE = 9

/** Identity of one batch of changes: inner nodes made by it may be changed in place until it ends. */
export class Edition {}

/** Keys, values and hashes are one-byte strings: compact, and nobody can change them. */
export class StateLeaf {
  readonly key: string
  readonly value: string
  /** Undefined until asked for. */
  hash: string | undefined

  constructor(key: string, value: string) {
    this.key = key
    this.value = value
    this.hash = undefined
  }

  get keyBytes(): Uint8Array {
    return latin1ToBytes(this.key)
  }

  get valueBytes(): Uint8Array {
    return latin1ToBytes(this.value)
  }
}

export class StateInner {
  /** Index of the first bit in which the keys on the left (0) and on the right (1) differ. */
  readonly bit: number
  left: StateNode
  right: StateNode
  /** Before it is hashed, the edition that made it: an unhashed node needs no hash and a hashed one no edition. */
  hash: string | Edition

  constructor(bit: number, left: StateNode, right: StateNode, edition: Edition) {
    this.bit = bit
    this.left = left
    this.right = right
    this.hash = edition
  }
}

export type StateNode = StateLeaf | StateInner

/** Hash of a node, computed at most once. */
export function nodeHash(node: StateNode): string {
  if (typeof node.hash === 'string') return node.hash
  const hash =
    node instanceof StateLeaf
      ? sha256Latin1('\x00', String.fromCharCode(node.key.length), node.key, '\x20', sha256Latin1(node.value))
      : innerHashLatin1(nodeHash(node.left), nodeHash(node.right))
  node.hash = hash
  return hash
}

/** As {@link nodeHash}, in bytes. */
export function nodeHashBytes(node: StateNode): Uint8Array {
  return latin1ToBytes(nodeHash(node))
}

/** SHA-256 of a leaf's value, in bytes. */
export function leafValueHash(leaf: StateLeaf): Uint8Array {
  return latin1ToBytes(sha256Latin1(leaf.value))
}

/** Bit `bit` of a key; 0 beyond its end. */
export function keyBit(key: string, bit: number): 0 | 1 {
  const index = (bit / BITS_PER_BYTE) | 0
  if (index >= key.length) return 0
  const within = bit - index * BITS_PER_BYTE
  if (within === 0) return 1
  return ((key.charCodeAt(index) >> (BITS_PER_BYTE - 1 - within)) & 1) as 0 | 1
}

/** First bit in which two keys differ; undefined where they are equal. */
export function criticalBit(a: string, b: string): number | undefined {
  if (a === b) return undefined
  const shorter = Math.min(a.length, b.length)
  for (let i = 0; i < shorter; i++) {
    const difference = a.charCodeAt(i) ^ b.charCodeAt(i)
    if (difference !== 0) return i * BITS_PER_BYTE + 1 + Math.clz32(difference) - 24
  }
  return shorter * BITS_PER_BYTE
}

/** The leaf that `key` leads to: its own where there is one, else one that shares as many first bits with it as any leaf does. */
export function closestLeaf(node: StateNode, key: string): StateLeaf {
  let at = node
  while (at instanceof StateInner) at = keyBit(key, at.bit) === 0 ? at.left : at.right
  return at
}

/** The subtree of all keys that start with `prefix`; undefined where there are none. */
export function subtreeOf(root: StateNode | undefined, prefix: string): StateNode | undefined {
  if (root === undefined) return undefined
  let at = root
  const end = prefix.length * BITS_PER_BYTE
  while (at instanceof StateInner && at.bit < end) at = keyBit(prefix, at.bit) === 0 ? at.left : at.right
  return firstLeaf(at).key.startsWith(prefix) ? at : undefined
}

export function firstLeaf(node: StateNode): StateLeaf {
  let at = node
  while (at instanceof StateInner) at = at.left
  return at
}

export function lastLeaf(node: StateNode): StateLeaf {
  let at = node
  while (at instanceof StateInner) at = at.right
  return at
}

/** The leaf at a key and the leaves next to it; undefined where there is none. */
export interface Neighbours {
  before: StateLeaf | undefined
  at: StateLeaf | undefined
  after: StateLeaf | undefined
}

/** Finds the leaf at `key`, the last leaf before it and the first after it. */
export function neighbours(root: StateNode | undefined, key: string): Neighbours {
  if (root === undefined) return { before: undefined, at: undefined, after: undefined }
  const split = criticalBit(closestLeaf(root, key).key, key)
  let below: StateNode | undefined
  let above: StateNode | undefined
  let node = root
  while (node instanceof StateInner && (split === undefined || node.bit < split)) {
    if (keyBit(key, node.bit) === 0) {
      above = node.right
      node = node.left
    } else {
      below = node.left
      node = node.right
    }
  }
  if (split !== undefined) {
    if (keyBit(key, split) === 0) above = node
    else below = node
  }
  return {
    before: below === undefined ? undefined : lastLeaf(below),
    at: split === undefined ? (node as StateLeaf) : undefined,
    after: above === undefined ? undefined : firstLeaf(above),
  }
}

/** Leaves of a subtree in ascending order of their keys. */
export function leavesOf(node: StateNode): Generator<StateLeaf> {
  return drain([node])
}

/** Leaves with keys strictly above `key`, ascending. */
export function leavesAfter(root: StateNode, key: string): Generator<StateLeaf> {
  const split = criticalBit(closestLeaf(root, key).key, key)
  const stack: StateNode[] = []
  let node = root
  while (node instanceof StateInner && (split === undefined || node.bit < split)) {
    if (keyBit(key, node.bit) === 0) {
      stack.push(node.right)
      node = node.left
    } else node = node.right
  }
  if (split !== undefined && keyBit(key, split) === 0) stack.push(node)
  return drain(stack)
}

/** Leaves of the subtrees on a stack, the top one first. */
function* drain(stack: StateNode[]): Generator<StateLeaf> {
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    if (at instanceof StateLeaf) yield at
    else stack.push(at.right, at.left)
  }
}

/** Turns a key as bytes into the form in which nodes hold it. */
export function keyText(key: Uint8Array): string {
  return bytesToLatin1(key)
}
