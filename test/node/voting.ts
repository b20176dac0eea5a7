/** Members of a test network decide together. */
import { type Proposal, voteBodyCodec } from '../../src/contracts/members-formats.ts'
import { createTransaction } from '../../src/ledger/transaction.ts'
import { type Cluster, eventually, nodeKeys, organisationOf, seedOf } from './cluster.ts'

let nonce = 0

/** The members vote an organisation out, or in, or change it. */
export async function decide(cluster: Cluster, proposal: Proposal, voters: readonly number[]): Promise<void> {
  const body = voteBodyCodec.encode({ series: 0, proposal })
  for (const voter of voters) {
    const { account, signing } = nodeKeys(voter)
    const { chain, transactions } = cluster.node(voter)
    const content = {
      ...{ chainId: chain.chainId, from: { kind: 'account' as const, id: account }, validUntil: Date.now() + 600_000 },
      ...{ nonce: seedOf('nonce', nonce++).slice(0, 16), contract: 'members', action: 'vote', body, sponsor: null },
    }
    const id = await transactions.submit(createTransaction(content, signing).bytes)
    await eventually(async () => await chain.store.receipt(id), 'the vote is in a block')
  }
}

/** One of them stays a member, and stores no more for others. */
export async function endCustody(cluster: Cluster, leaver: number, voters: readonly number[]): Promise<void> {
  const organisation = { ...organisationOf(leaver), capacity: 0 }
  await decide(cluster, { type: 'amend', value: { account: nodeKeys(leaver).account, organisation } }, voters)
}
