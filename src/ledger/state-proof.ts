/**
 * Proofs about the state against a root that the reader trusts: a key is there with this value, a key is not there, or
 * these are all the keys under a prefix. All three are one thing, a run of neighbouring leaves (state-run.ts), in which
 * nothing can hide: the format has no place for a hash between two shown leaves.
 *
 * That neighbours in the tree are neighbours in key order is what the validators guarantee (as for IAVL under ICS23): every
 * root that a quorum signs comes from a sorted tree.
 */
import { compareBytes, equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { type Codec, codec } from '../encoding/schema.ts'
import { keyBit, keyText, leafValueHash, leavesAfter, neighbours, nodeHashBytes, StateLeaf, type StateNode } from './state-node.ts'
import {
  MAX_STATE_KEY_BYTES,
  MAX_STATE_VALUE_BYTES,
  maxRunOverhead,
  runRoot,
  runSchema,
  type StateNeighbour,
  type StateRun,
} from './state-run.ts'
import type { StateTree } from './state-tree.ts'

/** Most entries of one page. */
export const MAX_PAGE_ENTRIES = 1000
/** Most bytes of keys and values on one page, except that a page always holds at least one entry. */
export const MAX_PAGE_BYTES = 512 * 1024

/** Presence: one entry and no neighbours. Absence: no entry, and the neighbours between which the key would lie. */
export type StateProof = StateRun
/** A page of the entries under a prefix, and the leaves right before and right after it. */
export type PrefixProof = StateRun

export const stateProofCodec: Codec<StateProof> = codec(runSchema(1), MAX_STATE_KEY_BYTES + MAX_STATE_VALUE_BYTES + maxRunOverhead(1))
export const prefixProofCodec: Codec<PrefixProof> = codec(
  runSchema(MAX_PAGE_ENTRIES),
  MAX_PAGE_BYTES + MAX_STATE_KEY_BYTES + MAX_STATE_VALUE_BYTES + maxRunOverhead(MAX_PAGE_ENTRIES),
)

/**
 * Proves the value at a key, or that there is none.
 * @throws EpioneError `state-empty` where the tree has no leaf at all.
 */
export function proveKey(tree: StateTree, key: Uint8Array): StateProof {
  const root = someNode(tree)
  const { before, at, after } = neighbours(root, keyText(key))
  return at === undefined ? proveRun(root, before, [], after) : proveRun(root, undefined, [at], undefined)
}

/**
 * The value that the proof shows at `key` under `root`; null where it shows that there is none.
 * @throws EpioneError `invalid-proof`
 */
export function verifyKey(root: Uint8Array, key: Uint8Array, proof: StateProof): Uint8Array | null {
  checkRoot(root, proof)
  const { left, entries, right } = proof
  const [entry] = entries
  if (entry !== undefined) {
    // Neighbours of a key that is there prove nothing; one form per fact keeps proofs comparable.
    if (entries.length !== 1 || left !== null || right !== null) invalid('it shows more than the key')
    if (!equalBytes(entry.key, key)) invalid('it is about another key')
    return entry.value
  }
  checkEnds(proof)
  if (left !== null && compareBytes(left.key, key) >= 0) invalid('its left neighbour is not below the key')
  if (right !== null && compareBytes(key, right.key) >= 0) invalid('its right neighbour is not above the key')
  return null
}

export interface ProvePrefixOptions {
  /** Last key of the page before; undefined for the first page. */
  after?: Uint8Array
  /** Most entries of the page, from 1; more than {@link MAX_PAGE_ENTRIES} are never given. */
  limit: number
  /** Most bytes of keys and values on the page, unless its first entry alone has more; default {@link MAX_PAGE_BYTES}. */
  maxBytes?: number
}

/**
 * Proves a page of the entries under a prefix: that these are all from `after` on, up to the page's end. Inner hashes are
 * shared, so a page of neighbours costs hardly more than its entries.
 * @throws EpioneError `state-empty`; `invalid-page` where `after` is not under the prefix or the limit is not positive.
 */
export function provePrefix(tree: StateTree, prefix: Uint8Array, options: ProvePrefixOptions): PrefixProof {
  const root = someNode(tree)
  const start = keyText(options.after ?? prefix)
  const under = keyText(prefix)
  if (!start.startsWith(under)) throw new EpioneError('invalid-page', 'A page continues after a key under its own prefix.')
  if (!Number.isInteger(options.limit) || options.limit < 1) throw new EpioneError('invalid-page', 'A page holds at least one entry.')
  const limit = Math.min(options.limit, MAX_PAGE_ENTRIES)
  const maxBytes = Math.min(options.maxBytes ?? MAX_PAGE_BYTES, MAX_PAGE_BYTES)

  const { before, at } = neighbours(root, start)
  const page: StateLeaf[] = []
  let bytes = 0
  let right: StateLeaf | undefined
  const candidates = function* (): Generator<StateLeaf> {
    if (at !== undefined && options.after === undefined) yield at
    yield* leavesAfter(root, start)
  }
  for (const leaf of candidates()) {
    bytes += leaf.key.length + leaf.value.length
    if (!leaf.key.startsWith(under) || page.length === limit || (page.length > 0 && bytes > maxBytes)) {
      right = leaf
      break
    }
    page.push(leaf)
  }
  return proveRun(root, options.after === undefined ? before : (at ?? before), page, right)
}

/**
 * The entries that a page proves to be all under `prefix` and above `after` (where given), up to its end; `complete` where
 * nothing follows, else the next page continues after the last key, at the same root.
 * @throws EpioneError `invalid-proof`
 */
export function verifyPrefix(
  root: Uint8Array,
  prefix: Uint8Array,
  proof: PrefixProof,
  options: { after?: Uint8Array } = {},
): { entries: [Uint8Array, Uint8Array][]; complete: boolean } {
  checkRoot(root, proof)
  checkEnds(proof)
  const { left, entries, right } = proof
  const { after } = options
  let previous = after
  for (const { key } of entries) {
    if (!startsWith(key, prefix)) invalid('an entry is not under the prefix')
    if (previous !== undefined && compareBytes(previous, key) >= 0) invalid('its entries are not in order')
    previous = key
  }
  if (left !== null) {
    const order = compareBytes(left.key, after ?? prefix)
    if (after === undefined ? order >= 0 : order > 0) invalid('it does not begin where the page begins')
  }
  if (right === null) return { entries: pairs(entries), complete: true }
  if (compareBytes(right.key, previous ?? prefix) <= 0) invalid('its right neighbour is not above the page')
  const complete = !startsWith(right.key, prefix)
  // A page that says "more" and shows nothing would lead a reader in circles.
  if (!complete && entries.length === 0) invalid('it holds no entry although more follow')
  return { entries: pairs(entries), complete }
}

function pairs(entries: PrefixProof['entries']): [Uint8Array, Uint8Array][] {
  return entries.map(({ key, value }) => [key, value])
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.length >= prefix.length && equalBytes(bytes.subarray(0, prefix.length), prefix)
}

function invalid(reason: string): never {
  throw new EpioneError('invalid-proof', `The proof of the state is not valid: ${reason}.`)
}

function checkRoot(root: Uint8Array, run: StateRun): void {
  let folded: Uint8Array
  try {
    folded = runRoot(run)
  } catch (cause) {
    throw new EpioneError('invalid-proof', 'The proof of the state is not valid: it does not fold into a root.', { cause })
  }
  if (!equalBytes(folded, root)) invalid('it belongs to another root')
}

/** A neighbour may be missing only at the very end of the tree, where nothing lies beyond. */
function checkEnds({ left, right, before, after }: StateRun): void {
  if (left === null && before.length > 0) invalid('its left neighbour is missing')
  if (right === null && after.length > 0) invalid('its right neighbour is missing')
}

function someNode(tree: StateTree): StateNode {
  if (tree.node === undefined) throw new EpioneError('state-empty', 'An empty state proves nothing.')
  return tree.node
}

/** The run from `left` to `right`; what is undefined is not shown, and the run ends with the entries on that side. */
function proveRun(root: StateNode, left: StateLeaf | undefined, page: readonly StateLeaf[], right: StateLeaf | undefined): StateRun {
  const shown = [left, ...page, right].filter(leaf => leaf !== undefined)
  const first = (shown[0] as StateLeaf).key
  const last = (shown.at(-1) as StateLeaf).key
  const before: Uint8Array[] = []
  const after: Uint8Array[] = []
  const shape = new BitWriter()
  /** Postfix walk; `low` and `high` say whether the run's first and last leaf lie inside this subtree. */
  const walk = (node: StateNode, low: boolean, high: boolean): void => {
    if (node instanceof StateLeaf) {
      shape.push(0)
      return
    }
    const firstIsRight = low && keyBit(first, node.bit) === 1
    const lastIsLeft = high && keyBit(last, node.bit) === 0
    if (firstIsRight) {
      before.push(nodeHashBytes(node.left))
      shape.push(0)
    } else walk(node.left, low, lastIsLeft)
    if (lastIsLeft) {
      after.push(nodeHashBytes(node.right))
      shape.push(0)
    } else walk(node.right, firstIsRight, high)
    shape.push(1)
  }
  walk(root, true, true)
  return {
    left: neighbour(left),
    entries: page.map(leaf => ({ key: leaf.keyBytes, value: leaf.valueBytes })),
    right: neighbour(right),
    before,
    // The walk meets the subtrees right of the run from the innermost outwards, which is from left to right.
    after,
    shape: shape.bytes(),
  }
}

function neighbour(leaf: StateLeaf | undefined): StateNeighbour | null {
  return leaf === undefined ? null : { key: leaf.keyBytes, valueHash: leafValueHash(leaf) }
}

/** Gathers bits, most significant first. */
class BitWriter {
  readonly #bytes: number[] = []
  #length = 0

  push(bit: 0 | 1): void {
    const index = this.#length++
    if ((index & 7) === 0) this.#bytes.push(0)
    if (bit === 1) this.#bytes[index >> 3] = (this.#bytes[index >> 3] as number) | (0x80 >> (index & 7))
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }
}
