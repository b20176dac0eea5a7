/**
 * The state tree a second time, as plainly as possible and sharing no code with the first: the root by recursion over sorted
 * entries, and runs in which a prover shows whatever it likes.
 */
import { createHash } from 'node:crypto'
import type { StateRun } from '../../src/ledger/state-run.ts'

export type Entry = readonly [Uint8Array, Uint8Array]
type Node = { hash: Buffer; leaf?: Entry; left?: Node; right?: Node; first: number; last: number }

const sha = (...parts: Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest()

/** "1" and the byte for each byte, then zeros without end. */
const bitsOf = (key: Uint8Array): string => [...key].map(byte => `1${byte.toString(2).padStart(8, '0')}`).join('')

export const sorted = (entries: Iterable<Entry>): Entry[] => [...entries].sort(([a], [b]) => Buffer.compare(a, b))

/** A hash over the entries as the format demands; `entries` ascending and not empty. */
export function referenceTree(entries: readonly Entry[]): Node {
  const bits = entries.map(([key]) => bitsOf(key).padEnd(127 * 9, '0'))
  const build = (from: number, to: number): Node => {
    if (to - from === 1) {
      const leaf = entries[from] as Entry
      const [key, value] = leaf
      return { hash: sha(Uint8Array.of(0, key.length), key, Uint8Array.of(32), sha(value)), leaf, first: from, last: from }
    }
    let bit = 0
    while ((bits[from] as string)[bit] === (bits[to - 1] as string)[bit]) bit++
    let middle = from
    while ((bits[middle] as string)[bit] === '0') middle++
    const [left, right] = [build(from, middle), build(middle, to)]
    return { hash: sha(Uint8Array.of(1), left.hash, right.hash), left, right, first: from, last: to - 1 }
  }
  return build(0, entries.length)
}

const bytes = (buffer: Uint8Array): Uint8Array => Uint8Array.from(buffer)

/** What a prover may do with a run of leaves: show its ends as neighbours or not at all. */
export interface RunChoice {
  from: number
  to: number
  left: boolean
  right: boolean
}

/** The run of leaves `from` to `to` with its first shown as left neighbour and its last as right neighbour where chosen so. */
export function referenceRun(root: Node, choice: RunChoice): StateRun {
  const run: StateRun = { left: null, entries: [], right: null, before: [], after: [], shape: new Uint8Array(0) }
  let shape = ''
  const walk = (node: Node): void => {
    if (node.last < choice.from || node.first > choice.to) {
      ;(node.last < choice.from ? run.before : run.after).push(bytes(node.hash))
      shape += '0'
    } else if (node.leaf !== undefined) {
      const [key, value] = node.leaf
      const neighbour = { key, valueHash: bytes(sha(value)) }
      if (choice.left && node.first === choice.from) run.left = neighbour
      else if (choice.right && node.first === choice.to) run.right = neighbour
      else run.entries.push({ key, value })
      shape += '0'
    } else {
      walk(node.left as Node)
      walk(node.right as Node)
      shape += '1'
    }
  }
  walk(root)
  run.shape = Uint8Array.from(shape.match(/.{1,8}/g) ?? [], byte => Number.parseInt(byte.padEnd(8, '0'), 2))
  return run
}

/** All runs that an honest tree can be shown by, with every choice of roles for their ends. */
export function* everyRun(count: number): Generator<RunChoice> {
  for (let from = 0; from < count; from++) {
    for (let to = from; to < count; to++) {
      for (const left of [false, true])
        for (const right of [false, true]) if (!(left && right && from === to)) yield { from, to, left, right }
    }
  }
}
