/** Turns proofs of the state into the form that stock ICS23 verifiers read. */

import { createHash } from 'node:crypto'
import { ics23 } from '@confio/ics23'
import { concat } from '../../src/encoding/bytes.ts'
import type { StateRun } from '../../src/ledger/state-run.ts'
import type { StateTree } from '../../src/ledger/state-tree.ts'

const sha = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest())

type Path = { prefix: Uint8Array; suffix: Uint8Array }[]
interface Subtree {
  hash: Uint8Array
  /** Shown leaves below, with their way up so far. */
  leaves: { key: Uint8Array; path: Path }[]
}

/** The shown leaves of a run, left to right, each with its path to the root. */
function pathsOf(run: StateRun): { key: Uint8Array; path: Path }[] {
  const shown = [run.left, ...run.entries, run.right].filter(leaf => leaf !== null)
  const terminals: Subtree[] = [
    ...run.before.map(hash => ({ hash, leaves: [] })),
    ...shown.map(leaf => {
      const valueHash = 'valueHash' in leaf ? leaf.valueHash : sha(leaf.value)
      return {
        hash: sha(concat(Uint8Array.of(0, leaf.key.length), leaf.key, Uint8Array.of(32), valueHash)),
        leaves: [{ key: leaf.key, path: [] }],
      }
    }),
    ...run.after.map(hash => ({ hash, leaves: [] })),
  ]
  const bits = [...run.shape]
    .map(byte => byte.toString(2).padStart(8, '0'))
    .join('')
    .slice(0, 2 * terminals.length - 1)
  const stack: Subtree[] = []
  for (const bit of bits) {
    if (bit === '0') {
      stack.push(terminals.shift() as Subtree)
      continue
    }
    const right = stack.pop() as Subtree
    const left = stack.pop() as Subtree
    for (const { path } of left.leaves) path.push({ prefix: Uint8Array.of(1), suffix: right.hash })
    for (const { path } of right.leaves) path.push({ prefix: concat(Uint8Array.of(1), left.hash), suffix: new Uint8Array(0) })
    stack.push({ hash: sha(concat(Uint8Array.of(1), left.hash, right.hash)), leaves: [...left.leaves, ...right.leaves] })
  }
  return (stack[0] as Subtree).leaves
}

/** ICS23 wants the values of the neighbours, too; the proof holds their hashes alone, so they come from the tree. */
export function toIcs23(key: Uint8Array, proof: StateRun, tree: StateTree): ics23.ICommitmentProof {
  const leaf = {
    prefix: Uint8Array.of(0),
    prehashKey: ics23.HashOp.NO_HASH,
    prehashValue: ics23.HashOp.SHA256,
    hash: ics23.HashOp.SHA256,
    length: ics23.LengthOp.VAR_PROTO,
  }
  const existence = (at: { key: Uint8Array; path: Path } | undefined): ics23.IExistenceProof | undefined =>
    at && {
      key: at.key,
      value: tree.get(at.key) as Uint8Array,
      leaf,
      path: at.path.map(step => ({ hash: ics23.HashOp.SHA256, ...step })),
    }
  const paths = pathsOf(proof)
  if (proof.entries.length === 1) return { exist: existence(paths[0]) as ics23.IExistenceProof }
  const left = proof.left === null ? undefined : existence(paths[0])
  const right = proof.right === null ? undefined : existence(paths.at(-1))
  return { nonexist: { key, ...(left === undefined ? {} : { left }), ...(right === undefined ? {} : { right }) } }
}
