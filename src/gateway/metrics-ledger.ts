/** Metrics of the ledger, of consensus and of the network. */
import type { NodeState } from '../node/diagnosis.ts'
import type { NodeStatus } from '../node/status.ts'
import { byLabel, type Metric, type Sample, single } from './metric.ts'

const STATES: readonly NodeState[] = ['ok', 'syncing', 'stale', 'quorum-missing', 'diverged', 'halted']

function weight(validators: NodeStatus['validators']): number {
  return validators.reduce((sum, { power }) => sum + power, 0)
}

function findings({ findings: all }: NodeStatus): Sample[] {
  const counts = new Map<string, { value: number; labels: { code: string; severity: string } }>()
  for (const { code, severity } of all) {
    const sample = counts.get(code) ?? { value: 0, labels: { code, severity } }
    sample.value++
    counts.set(code, sample)
  }
  return [...counts.values()]
}

export const LEDGER_METRICS: readonly Metric[] = [
  {
    type: 'gauge',
    name: 'epione_info',
    help: 'Always 1: the version of the program and the name of the network',
    labels: ['version', 'network'],
    read: ({ version, status }) => [{ value: 1, labels: { version, network: status.network } }],
  },
  single('gauge', 'epione_ready', 'Whether the node is ready, as /readyz says: 1 or 0', ({ ready }) => ready),
  byLabel('gauge', 'epione_state', '1 for the state that the node is in, 0 for the others', 'state', ({ status }) =>
    Object.fromEntries(STATES.map(state => [state, state === status.state])),
  ),
  {
    type: 'gauge',
    name: 'epione_findings',
    help: 'Findings of the status by their code: what is wrong or remarkable at present',
    labels: ['code', 'severity'],
    read: ({ status }) => findings(status),
  },
  single('gauge', 'epione_height', 'Height of the newest block here', ({ status }) => status.height),
  single(
    'gauge',
    'epione_network_height',
    'Highest height that validators with a third of the weight claim',
    ({ status }) => status.peerHeight,
  ),
  single('gauge', 'epione_block_age_seconds', 'Age of the newest block', ({ status }) => status.blockAgeMs / 1000),
  single('counter', 'epione_blocks_total', 'Blocks that were committed here since the start', ({ activity }) => activity.blocks),
  single('counter', 'epione_transactions_total', 'Transactions of these blocks', ({ activity }) => activity.transactions),
  single('gauge', 'epione_round', 'Round of the height that is being decided; 0 where all goes well', ({ status }) =>
    status.consensus === null ? null : status.consensus.round,
  ),
  single('gauge', 'epione_height_open_seconds', 'Time since the height that is being decided began', ({ status }) =>
    status.consensus === null ? null : status.consensus.heightSinceMs / 1000,
  ),
  single('gauge', 'epione_voting', 'Whether this node votes: 1 or 0; a node without a seat has none', ({ status }) =>
    status.validator && status.consensus !== null ? status.consensus.notVotingBecause === null : null,
  ),
  byLabel(
    'counter',
    'epione_consensus_dropped_total',
    'Frames and messages of consensus that were dropped since the start',
    'reason',
    ({ status }) => status.consensus?.drops ?? {},
  ),
  single('gauge', 'epione_validators', 'Validators', ({ status }) => status.validators.length),
  single('gauge', 'epione_validators_weight', 'Weight of all validators', ({ status }) => weight(status.validators)),
  single(
    'gauge',
    'epione_validators_reached_weight',
    'Weight of the validators that can be reached from here, this node included; no block is made at two thirds or less',
    ({ status }) => weight(status.validators.filter(({ connected, self }) => connected || self)),
  ),
  {
    type: 'gauge',
    name: 'epione_validator_connected',
    help: 'Whether a validator can be reached from here: 1 or 0',
    labels: ['validator'],
    read: ({ status }) => status.validators.map(({ name, connected, self }) => ({ value: connected || self, labels: { validator: name } })),
  },
  byLabel('gauge', 'epione_peers', 'Connected peers: members, and others such as light peers', 'kind', ({ status }) => ({
    member: status.peers.members,
    other: status.peers.connected - status.peers.members,
  })),
  byLabel(
    'gauge',
    'epione_streams',
    'Requests and streams of peers that are served, and those of them that wait for something to happen',
    'kind',
    ({ status }) => ({
      served: status.load === null ? null : status.load.streams - status.load.held,
      waiting: status.load?.held ?? null,
    }),
  ),
  byLabel(
    'counter',
    'epione_busy_total',
    'Requests and streams of peers that were refused as busy since the start, by what was used up',
    'reason',
    ({ status }) => status.load?.refused ?? {},
  ),
  single(
    'gauge',
    'epione_arriving_connections',
    'Connections that have not said yet who they are',
    ({ status }) => status.load?.arriving ?? null,
  ),
  single(
    'counter',
    'epione_displaced_connections_total',
    'Connections that had not said who they are and made room for others since the start',
    ({ status }) => status.load?.displaced ?? null,
  ),
  single('gauge', 'epione_pool_transactions', 'Transactions that wait for a block', ({ status }) => status.pool.waiting),
  single('gauge', 'epione_pool_batches', 'Batches of transactions that are held', ({ status }) => status.pool.batches),
]
