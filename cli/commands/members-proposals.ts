/** `epione members proposals` */
import { type ProposalProgress, readProposals } from '../../src/client/governance.ts'
import type { MemberInfo } from '../../src/client/light-peer.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Context } from '../context.ts'
import { asOfResult, formatDay } from '../format.ts'
import { connect } from '../network.ts'
import { homeChain } from '../node-home.ts'
import { table } from '../output.ts'
import { describeProposal, nameOf, proposalResult } from '../proposals.ts'

export interface MembersProposalsOptions {
  /** Applied and expired ones too. */
  all?: boolean
}

function row(progress: ProposalProgress, members: readonly MemberInfo[]): string[] {
  const { id, body, status, weight, total, needed, voters, closesMs } = progress
  return [
    toHex(id).slice(0, 16),
    describeProposal(body.proposal, members),
    status === 'open' ? `${weight} of ${total}, decides at ${needed}` : status,
    status === 'open' ? formatDay(closesMs) : '',
    voters.map(voter => nameOf(voter, members)).join(', '),
  ]
}

export async function membersProposals(context: Context, options: MembersProposalsOptions): Promise<void> {
  await using peer = await connect(context, await homeChain(context))
  const { proposals, asOf } = await readProposals(peer, { signal: context.signal })
  const members = await peer.members({ signal: context.signal })
  const shown = proposals.filter(({ status }) => options.all === true || status === 'open')
  context.output.result({ asOf: asOfResult(asOf), proposals: shown.map(progress => proposalResult(progress, members)) }, () =>
    shown.length === 0
      ? ['No proposal is open.']
      : table([['proposal', 'what', 'weight', 'until', 'voted for by'], ...shown.map(each => row(each, members))]),
  )
}
