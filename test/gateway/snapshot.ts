/** What a node says of itself, made up: two custodians, one of which lies. */

import type { Snapshot } from '../../src/gateway/metric.ts'
import type { NodeStatus } from '../../src/node/status.ts'

export const LIAR = 'b'.repeat(64)

export function statusOf(changes: Partial<NodeStatus> = {}): NodeStatus {
  const validator = { jurisdiction: 'KE', power: 1, prevote: true, precommit: true, height: 7, lastSeenMs: 10, silentThrough: -1 }
  const clock = { clockOffsetMs: 1, clockUncertaintyMs: 1 }
  return {
    schemaVersion: 1,
    network: 'test',
    chainId: 'c'.repeat(64),
    name: 'Lakeside "Hospital"',
    jurisdiction: 'KE',
    account: 'a'.repeat(64),
    peerId: '12D3',
    state: 'ok',
    summary: 'In agreement with all validators.',
    findings: [],
    height: 7,
    peerHeight: 8,
    blockTime: '2031-01-01T00:00:00.000Z',
    blockAgeMs: 1_500,
    stateRoot: 'd'.repeat(64),
    validator: true,
    consensus: {
      height: 8,
      round: 2,
      step: 'prevote',
      sinceMs: 100,
      heightSinceMs: 4_000,
      proposer: 'Spree Clinic',
      failedProposers: [],
      notVotingBecause: null,
      silentThrough: -1,
      drops: { malformed: 3 },
    },
    joining: null,
    validators: [
      { name: 'Lakeside "Hospital"', self: true, connected: false, ...validator, ...clock },
      { name: 'Spree Clinic', self: false, connected: true, ...validator, ...clock },
      { name: 'Serra\\Hospital\nRio', self: false, connected: false, ...validator, ...clock },
    ],
    seat: { state: 'held', summary: '' } as unknown as NodeStatus['seat'],
    offences: [],
    conflicts: [],
    peers: { connected: 5, members: 3 },
    load: { streams: 8, held: 6, arriving: 1, displaced: 2, refused: { places: 0, streams: 0, requests: 3, bytes: 0, held: 1 } },
    pool: { waiting: 4, batches: 2 },
    storage: {
      fragments: 10,
      bytes: 1_000,
      ledger: { base: 1, snapshots: [], bytes: null, daysLeft: null },
      limits: { bytes: 5_000, organisationBytes: 2_500, versionBytes: 100 },
      disk: { state: 'ok', freeBytes: 90, totalBytes: 100, reserveBytes: 5, againBytes: 7 },
      organisations: [],
    },
    custody: {
      submissions: 6,
      looked: true,
      missing: 1,
      repairing: 1,
      repaired: 2,
      repairedBytes: 300,
      corruptFound: 1,
      lastScrub: 0,
    },
    memory: { rssBytes: 1 },
    uptimeMs: 1,
    ...changes,
  }
}

export function snapshotOf(changes: Partial<NodeStatus> = {}): Snapshot {
  return {
    version: '0.1.0',
    ready: true,
    status: statusOf(changes),
    activity: {
      blocks: 7,
      transactions: 20,
      uploads: { outcomes: { stored: 3, 'read-only': 1 }, bytes: 1_000 },
      releases: { outcomes: { released: 5, 'not-found': 2 }, bytes: 2_000 },
      repairs: { ordered: 3, failed: { timeout: 1 } },
      erasures: { pendingFolders: 1, pendingKeys: 1, unreadableFolders: 0, erased: 9 },
      announcements: { waiting: 1, made: 6, failed: 2 },
      custodians: [
        { account: 'a'.repeat(64), name: 'Lakeside', standing: 'present', asked: 0, missed: 0, challenges: {}, helperFailures: {} },
        {
          account: LIAR,
          name: 'Spree',
          standing: 'absent',
          asked: 40,
          missed: 30,
          challenges: { right: 2, wrong: 8 },
          helperFailures: { 'wrong-sum': 1 },
        },
      ],
    },
    process: {
      userSeconds: 1.5,
      systemSeconds: 0.5,
      residentBytes: 100,
      heapBytes: 50,
      uptimeSeconds: 60,
      lagSeconds: { median: 0, p99: 0.01, longest: 0.2 },
    },
  }
}
