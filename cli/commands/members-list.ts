/** `epione members list` */
import { type MemberSeat, readMembers } from '../../src/client/governance.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Context } from '../context.ts'
import { asOfResult, count, printable } from '../format.ts'
import { connect } from '../network.ts'
import { homeChain } from '../node-home.ts'
import { table } from '../output.ts'

export interface MembersListOptions {
  /** Removed members too. */
  all?: boolean
}

const SEAT_WORDS: Readonly<Record<MemberSeat['seat'], string>> = {
  held: 'validator',
  coming: 'validator soon',
  leaving: 'leaving',
  none: '-',
}

function describeSeat({ status, seat, evictedAt, offences }: MemberSeat): string {
  const words = [status === 'removed' && seat === 'none' ? 'removed' : SEAT_WORDS[seat]]
  if (evictedAt !== null) words.push(`evicted in block ${evictedAt}`)
  if (offences > 0) words.push(`signed twice (${count(offences, 'time')})`)
  return words.join(', ')
}

export async function membersList(context: Context, options: MembersListOptions): Promise<void> {
  await using peer = await connect(context, await homeChain(context))
  const { members, asOf } = await readMembers(peer, { signal: context.signal })
  const shown = members.filter(({ status, seat }) => options.all === true || status === 'active' || seat !== 'none')
  const result = {
    asOf: asOfResult(asOf),
    members: shown.map(({ id, status, organisation, seat, offences, evictedAt }) => ({
      account: id,
      status,
      name: organisation.name,
      jurisdiction: organisation.jurisdiction,
      kind: organisation.kind,
      power: organisation.power,
      capacity: organisation.capacity,
      seat,
      offences,
      evictedAt,
      signingKey: organisation.signingKey,
      networkKey: organisation.networkKey,
      consensusKey: organisation.consensusKey,
    })),
  }
  context.output.result(result, () => {
    const rows = shown.map(member => {
      const { name, jurisdiction, power, consensusKey } = member.organisation
      return [
        printable(name),
        jurisdiction,
        toHex(member.id).slice(0, 16),
        String(power),
        consensusKey === null ? '-' : toHex(consensusKey).slice(0, 16),
        describeSeat(member),
      ]
    })
    return table([['member', '', 'account', 'weight', 'consensus key', 'seat'], ...rows])
  })
}
