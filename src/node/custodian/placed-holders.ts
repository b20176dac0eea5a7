/** Who ought to hold the fragments of a submission. */
import { anchorCodec } from '../../contracts/records-formats.ts'
import { stateKey } from '../../contracts/state-keys.ts'
import { place } from '../../fragments/placement.ts'
import type { StateReader } from '../../ledger/state-tree.ts'
import { custodiansAt } from '../directory.ts'
import { policyOf } from '../folder-facts.ts'

/** Accounts by index, by placement over the custodians that the anchor names; undefined where the ledger has no such submission. */
export function placedHolders(state: StateReader, folder: Uint8Array, submissionRoot: Uint8Array): Uint8Array[] | undefined {
  const bytes = state.get(stateKey.submission(folder, submissionRoot))
  if (bytes === undefined) return undefined
  const { n, k, memberHeight } = anchorCodec.decode(bytes)
  const custodians = custodiansAt(state, memberHeight)
  if (custodians === undefined) return undefined
  return place({ key: submissionRoot, custodians, n, k, policy: policyOf(state, folder) }).custodians.map(({ id }) => id)
}
