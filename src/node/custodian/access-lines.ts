/** What a custodian waits for and looks at before it decides on a session: that the ledger it has is new enough, and holds the line. */
import { type AccessEntry, accessEntryCodec } from '../../contracts/access-formats.ts'
import { EpioneError } from '../../encoding/errors.ts'
import type { Chain, ChainTip } from '../chain.ts'

/** How long a custodian waits for the ledger to reach what it does not have yet, in ms. */
const BEHIND_WAIT_MS = 2_000
/** Drift of clocks that is allowed for before a custodian takes itself for cut off, in ms. */
const DRIFT_MS = 15_000

/** @throws EpioneError `stale` where this node may be cut off from the network */
export function requireFresh(tip: ChainTip, { chain, now }: { chain: Chain; now: () => number }): void {
  if (now() - tip.header.time > 2 * chain.parameters.heartbeatMs + DRIFT_MS) {
    throw new EpioneError('stale', 'This custodian is cut off from the network and releases nothing until it has caught up.')
  }
}

/** What `look` finds; looks again with each new block, for a little while. */
export async function reach<T>(chain: Chain, look: () => T | undefined | Promise<T | undefined>): Promise<T | undefined> {
  const signal = AbortSignal.timeout(BEHIND_WAIT_MS)
  for (;;) {
    const height = chain.tip.header.height
    const found = await look()
    if (found !== undefined || signal.aborted) return found
    await chain.waitAbove(height, { signal })
  }
}

/** The line of an access entry; waits a little for the block that holds it. @throws EpioneError `behind` */
export async function reachEntry(chain: Chain, id: Uint8Array): Promise<AccessEntry> {
  const bytes = await reach(chain, async () => await chain.store.logItemById(id))
  if (bytes === undefined) throw new EpioneError('behind', 'This custodian has not reached the block of the access entry yet.')
  return accessEntryCodec.decode(bytes)
}
