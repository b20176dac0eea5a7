/** The custodians of the network and their records of audits, proven. */
import { type AuditRecord, auditRecordCodec, NEW_RECORD } from '../contracts/audits-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { toHex } from '../encoding/bytes.ts'
import type { AsOf, LightPeer, MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'

/** A member that stores fragments, and what audits say of it. */
export interface CustodianInfo extends MemberInfo {
  /** Takes fragments of what is written now. `kept`: silent, but without it too few would remain. */
  standing: AuditRecord['standing']
  /** Block of the last change of standing; 0 where there was none. */
  since: number
  /** Challenges that members reported, and those of them that were not answered rightly. A third of liars can colour both. */
  asked: number
  missed: number
}

/** All active members that store fragments, absent ones too, in the order of their ids. Proven complete. */
export async function readCustodians(peer: LightPeer, options: CallOptions = {}): Promise<{ custodians: CustodianInfo[]; asOf: AsOf }> {
  const members = await peer.members(options)
  const { entries, asOf } = await peer.list(stateKey.audits(), options)
  const records = new Map(entries.map(([key, value]) => [toHex(key.slice(1)), auditRecordCodec.decode(value)]))
  const custodians = members.flatMap(member => {
    if (member.status !== 'active' || member.organisation.capacity === 0) return []
    const { standing, since, asked, missed } = records.get(toHex(member.id)) ?? NEW_RECORD
    return [{ ...member, standing, since, asked, missed }]
  })
  return { custodians, asOf }
}
