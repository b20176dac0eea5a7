/** Who may hold something of a folder, or may have held it. */
import { equalBytes } from '../encoding/bytes.ts'
import { currentCustodians } from './current-custodians.ts'
import { submissionsOf } from './get.ts'
import type { LightPeer, MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'

/**
 * Every active member with capacity, for fragments may have moved, and those former members that had a place in one of the folder's
 * submissions.
 */
export async function possibleHolders(peer: LightPeer, folder: Uint8Array, options: CallOptions = {}): Promise<MemberInfo[]> {
  const members = await peer.members(options)
  const former = members.filter(({ status, organisation }) => status === 'removed' || organisation.capacity === 0)
  const placed: MemberInfo[] = []
  if (former.length > 0) {
    for (const submission of await submissionsOf(peer, folder, options)) {
      const { holders, former: before } = await currentCustodians(peer, folder, submission, options)
      placed.push(...holders, ...before)
    }
  }
  return members.filter(
    ({ id, status, organisation }) =>
      (status === 'active' && organisation.capacity > 0) || placed.some(custodian => equalBytes(custodian.id, id)),
  )
}
