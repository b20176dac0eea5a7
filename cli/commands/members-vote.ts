/** `epione members vote admit`, `remove` and `reweigh`: the vote of this node's organisation. */
import { resolve } from 'node:path'
import { findMember, openSeries, type VoteOutcome, voteFor } from '../../src/client/governance.ts'
import type { LightPeer, MemberInfo } from '../../src/client/light-peer.ts'
import { accountId, chainId as genesisId, organisationCodec, type Proposal } from '../../src/contracts/members-formats.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { readOrganisation } from '../../src/node/organisation-file.ts'
import type { Context } from '../context.ts'
import { formatDay, printable } from '../format.ts'
import { connect } from '../network.ts'
import { openGenesis, openHome, openKeys } from '../node-home.ts'
import { describeProposal, nameOf, proposalResult } from '../proposals.ts'

export interface VoteOptions {
  /** Tells one vote on the same thing from an earlier one; found by itself if left out. */
  series?: number
}

export interface ReweighOptions extends VoteOptions {
  power: number
}

/** What is to be voted on, made from the members as they are; null where it is so already. */
type Propose = (members: readonly MemberInfo[]) => Proposal | null

async function vote(context: Context, options: VoteOptions, propose: Propose): Promise<void> {
  const { signal, output } = context
  const { config, paths } = await openHome(context, options)
  const genesis = await openGenesis(paths)
  const keys = await openKeys(context, config, paths)
  await using peer = await connect(context, genesisId(genesis))
  const members = await peer.members({ signal })
  const proposal = propose(members)
  if (proposal === null) {
    output.result({ status: 'unchanged' }, () => ['It is so already: there is nothing to decide.'])
    return
  }
  output.note(`voting to ${describeProposal(proposal, members)}`)
  const series = options.series ?? (await openSeries(peer, proposal, { signal }))
  const outcome = await voteFor(peer, { account: keys.account, key: keys.signing }, { series, proposal }, { signal })
  tell(context, peer, outcome, members)
}

function tell({ output }: Context, peer: LightPeer, outcome: VoteOutcome, members: readonly MemberInfo[]): void {
  const { height, effective, status, weight, total, needed, voters, closesMs, id, body } = outcome
  const chain = toHex(peer.chainId)
  output.result({ ...proposalResult(outcome, members), height, effective, chainId: chain }, () => [
    `${describeProposal(body.proposal, members)}: ${
      status === 'applied' ? 'decided' : `${weight} of ${total} so far, decided at ${needed}; open until ${formatDay(closesMs)}`
    }`,
    `  proposal  ${toHex(id)}, series ${body.series}`,
    `  vote      in block ${height}`,
    `  for it    ${voters.map(voter => nameOf(voter, members)).join(', ')}`,
    ...(effective === null ? [] : [`  in force  the validators change at height ${effective}`]),
  ])
}

export async function voteAdmit(context: Context, options: VoteOptions, file: string): Promise<void> {
  const organisation = await readOrganisation(resolve(file))
  await vote(context, options, members => {
    const known = members.find(({ id }) => equalBytes(id, accountId(organisation.signingKey)))
    const isSame = known !== undefined && equalBytes(organisationCodec.encode(known.organisation), organisationCodec.encode(organisation))
    return known?.status === 'active' && isSame ? null : { type: 'admit', value: organisation }
  })
}

export async function voteRemove(context: Context, options: VoteOptions, name: string): Promise<void> {
  await vote(context, options, members => {
    const member = findMember(members, name)
    return member.status === 'removed' ? null : { type: 'remove', value: { account: member.id } }
  })
}

export async function voteReweigh(context: Context, options: ReweighOptions, name: string): Promise<void> {
  const { power } = options
  await vote(context, options, members => {
    const { id, organisation } = findMember(members, name)
    if (organisation.power === power) return null
    if (organisation.consensusKey === null) {
      throw new EpioneError(
        'no-consensus-key',
        `${printable(organisation.name)} has no consensus key on the ledger, without which it can have no weight`,
      )
    }
    // Without a weight there is no seat, and the key goes with it.
    const consensusKey = power === 0 ? null : organisation.consensusKey
    return { type: 'amend', value: { account: id, organisation: { ...organisation, consensusKey, power } } }
  })
}
