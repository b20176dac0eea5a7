/** Who keeps a folder's grants and release receipts. */

import type { Folder } from '../contracts/folders-formats.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { place } from '../fragments/placement.ts'
import type { LightPeer, MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'

/** The n custodians of a folder by placement under its residency policy, in order. */
export async function folderCustodians(peer: LightPeer, id: Uint8Array, folder: Folder, options: CallOptions = {}): Promise<MemberInfo[]> {
  const { n, k, policies } = peer.parameters
  const { custodians } = await peer.custodians(options)
  const members = await peer.members(options)
  const placement = place({ key: id, custodians, n, k, policy: policies[folder.policy]?.jurisdictions ?? null })
  return placement.custodians.map(custodian => members.find(member => equalBytes(member.id, custodian.id)) as MemberInfo)
}
