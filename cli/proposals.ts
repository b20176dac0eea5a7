/** Proposals on members, as the program prints them. */
import type { ProposalProgress } from '../src/client/governance.ts'
import type { MemberInfo } from '../src/client/light-peer.ts'
import type { Proposal } from '../src/contracts/members-formats.ts'
import { equalBytes, toHex } from '../src/encoding/bytes.ts'
import { printable } from './format.ts'

/** Name of a member, or the first digits of an account that is none. */
export function nameOf(account: Uint8Array, members: readonly MemberInfo[]): string {
  const member = members.find(({ id }) => equalBytes(id, account))
  return member === undefined ? toHex(account).slice(0, 16) : printable(member.organisation.name)
}

/** What a proposal would do, in words. */
export function describeProposal(proposal: Proposal, members: readonly MemberInfo[]): string {
  if (proposal.type === 'admit') {
    const { name, jurisdiction, power } = proposal.value
    return `admit ${printable(name)} (${jurisdiction}) ${power === 0 ? 'without a seat' : `with weight ${power}`}`
  }
  const name = nameOf(proposal.value.account, members)
  if (proposal.type === 'remove') return `remove ${name}`
  const { power } = proposal.value.organisation
  return `amend ${name}: ${power === 0 ? 'no seat' : `weight ${power}`}`
}

/** What `--json` prints of a proposal. */
export function proposalResult(progress: ProposalProgress, members: readonly MemberInfo[]) {
  const { id, body, status, openedMs, closesMs, voters, weight, total, needed } = progress
  return {
    proposal: id,
    what: describeProposal(body.proposal, members),
    series: body.series,
    ...body.proposal,
    status,
    openedMs,
    closesMs,
    voters,
    weight,
    total,
    needed,
  }
}
