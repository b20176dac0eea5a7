/** Who keeps which fragment of a submission, as far as one custodian knows: the ledger's placement, and whether its own are here. */
import { equalBytes, toHex } from '../encoding/bytes.ts'
import type { Holdings } from './custodian/holdings.ts'
import type { RepairService } from './custodian/repair-service.ts'
import type { Submissions } from './custodian/submissions.ts'
import type { Directory } from './directory.ts'

export interface FragmentPlace {
  index: number
  /** Account, hexadecimal; empty where nobody is to hold the fragment. */
  custodian: string
  /** Name of the organisation. */
  name: string
  jurisdiction: string
  /** What this node knows of itself alone. */
  holds: 'yes' | 'no' | 'unknown'
}

export interface FragmentMapSources {
  account: Uint8Array
  submissions: Pick<Submissions, 'get'>
  holdings: Pick<Holdings, 'placed'>
  repair: Pick<RepairService, 'isWhole'>
  directory: Pick<Directory, 'byId'>
}

/** Null where this node was never given the submission: only who holds a part knows its folder, and so its place on the ledger. */
export async function fragmentMap(root: Uint8Array, sources: FragmentMapSources): Promise<FragmentPlace[] | null> {
  const { account, submissions, holdings, repair, directory } = sources
  const submission = await submissions.get(root)
  const placed = submission === undefined ? undefined : holdings.placed(submission.folder, root)
  if (placed === undefined) return null
  const own = (await repair.isWhole(root)) ? 'yes' : 'no'
  return placed.holders.map((holder, index) => {
    const organisation = holder === undefined ? undefined : directory.byId(holder)?.organisation
    return {
      index,
      custodian: holder === undefined ? '' : toHex(holder),
      name: organisation?.name ?? '',
      jurisdiction: organisation?.jurisdiction ?? '',
      holds: holder !== undefined && equalBytes(holder, account) ? own : 'unknown',
    }
  })
}
