/** Why a chain is slow or stands still: a table of what a node knows and what it says of it. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type ConsensusFacts, type DiagnosisFacts, diagnose, type NodeState, type ValidatorFacts } from '../../src/node/diagnosis.ts'
import type { DiskReport } from '../../src/node/disk-watch.ts'

const test = suite('diagnosis')
const NAMES = ['Kisumu', 'Berlin', 'Rio', 'Pune']

/** Four validators in agreement at height 10, this node the first of them; `changes` by index. */
function validators(...changes: (Partial<ValidatorFacts> | undefined)[]): ValidatorFacts[] {
  return NAMES.map((name, index) => ({
    name,
    power: 1,
    self: index === 0,
    connected: true,
    prevote: false,
    precommit: false,
    height: 10,
    differs: index === 0 ? null : false,
    clockOffsetMs: 0,
    clockUncertaintyMs: 2,
    lastSeenMs: 0,
    silentThrough: -1,
    ...changes[index],
  }))
}

function round(changes: Partial<ConsensusFacts> = {}): ConsensusFacts {
  return {
    height: 11,
    round: 0,
    step: 'idle',
    sinceMs: 0,
    heightSinceMs: 0,
    proposer: 'Berlin',
    failedProposers: [],
    notVotingBecause: null,
    silentThrough: -1,
    halted: null,
    timeouts: { proposeMs: 1_000, voteMs: 500 },
    remarks: [],
    ...changes,
  }
}

function facts(changes: Partial<DiagnosisFacts> = {}): DiagnosisFacts {
  return {
    height: 10,
    peerHeight: 10,
    blockAgeMs: 1_000,
    heartbeatMs: 30_000,
    uptimeMs: 600_000,
    validators: validators(),
    consensus: round(),
    joining: null,
    storage: { disk: null, fragmentBytes: 0, fragmentQuotaBytes: 1000 },
    silentCustodian: null,
    conflicts: [],
    ...changes,
  }
}

const GIB = 2 ** 30

function room(disk: Pick<DiskReport, 'state' | 'freeBytes'>): DiagnosisFacts['storage'] {
  return {
    disk: { totalBytes: 20 * GIB, reserveBytes: GIB, againBytes: 1.25 * GIB, ...disk },
    fragmentBytes: 899,
    fragmentQuotaBytes: 1000,
  }
}

const AWAY = { connected: false, lastSeenMs: 120_000 }
const YES = { prevote: true, precommit: true }
const STUCK = { step: 'prevote', sinceMs: 60_000, heightSinceMs: 60_000 }

/** Name, what is known, state, codes in order, and what the first sentence says. */
const CASES: [string, DiagnosisFacts, NodeState, string[], RegExp][] = [
  ['all is well', facts(), 'ok', [], /^In agreement/],
  ['a round that is under way is no trouble', facts({ consensus: round({ step: 'precommit', sinceMs: 400 }) }), 'ok', [], /^In agreement/],
  ['one is away', facts({ validators: validators({}, AWAY) }), 'ok', ['validator-unreachable'], /^Berlin cannot be reached/],
  [
    'two of four are away',
    facts({ validators: validators({}, AWAY, AWAY) }),
    'quorum-missing',
    ['quorum-missing'],
    /Berlin, Rio cannot be reached.*50 % of the weight/,
  ],
  [
    'exactly two thirds are no quorum',
    facts({ validators: validators({}, {}, AWAY).slice(0, 3) }),
    'quorum-missing',
    ['quorum-missing'],
    /66 % of the weight is there, more than 66 %/,
  ],
  [
    'by weight: a light one is away',
    facts({ validators: validators({ power: 3 }, AWAY) }),
    'ok',
    ['validator-unreachable'],
    /^Berlin cannot/,
  ],
  [
    'rounds went by',
    facts({ consensus: round({ round: 2, step: 'propose', sinceMs: 100, heightSinceMs: 5_000, failedProposers: ['Rio', 'Pune'] }) }),
    'ok',
    ['round-advanced'],
    /^Height 11 is in round 2: the proposals of Rio, Pune were not decided/,
  ],
  [
    'the proposer is late',
    facts({ consensus: round({ step: 'propose', sinceMs: 1_001 }) }),
    'ok',
    ['waiting-for-proposal'],
    /proposal of Berlin/,
  ],
  [
    'prevotes are missing',
    facts({ consensus: round(STUCK), validators: validators({ prevote: true }, { prevote: true }) }),
    'ok',
    ['waiting-for-prevotes', 'validator-mute', 'validator-mute'],
    /^Waiting for prevotes of Rio, Pune: there is 50 % of the weight, more than 66 % is needed/,
  ],
  [
    'precommits are missing',
    facts({ consensus: round({ ...STUCK, step: 'precommit' }), validators: validators(YES, YES, { prevote: true }, { prevote: true }) }),
    'ok',
    ['waiting-for-precommits'],
    /^Waiting for precommits of Rio, Pune: there is 50 %/,
  ],
  [
    'all voted, for different blocks',
    facts({ consensus: round(STUCK), validators: validators(YES, YES, YES, YES) }),
    'ok',
    ['waiting-for-prevotes'],
    /not for one block/,
  ],
  [
    'connected, but no answer',
    facts({ validators: validators({}, { lastSeenMs: 15_001 }, { lastSeenMs: null }) }),
    'ok',
    ['validator-not-answering', 'validator-not-answering'],
    /^Berlin is connected but does not answer/,
  ],
  [
    'just started: nobody has answered yet',
    facts({ uptimeMs: 1_000, validators: validators({}, { lastSeenMs: null, height: null, clockOffsetMs: null }) }),
    'ok',
    [],
    /^In agreement/,
  ],
  [
    "the own clock is off: the others' are all off in the same way",
    facts({ validators: validators({}, { clockOffsetMs: -300 }, { clockOffsetMs: -310 }, { clockOffsetMs: -290 }) }),
    'ok',
    ['clock-off'],
    /^This node's clock is 300 ms ahead/,
  ],
  [
    'beyond the precision of block time',
    facts({ validators: validators({}, { clockOffsetMs: 1_500 }, { clockOffsetMs: 1_500 }, { clockOffsetMs: 1_500 }) }),
    'ok',
    ['clock-off'],
    /1500 ms behind.*proposals are refused/,
  ],
  [
    'the clock of another is off',
    facts({ validators: validators({}, { clockOffsetMs: 2 ** 48 }) }),
    'ok',
    ['clock-of-validator-off'],
    /^The clock of Berlin is \d+ s ahead/,
  ],
  ['249 ms are fine', facts({ validators: validators({}, { clockOffsetMs: 249 }) }), 'ok', [], /^In agreement/],
  [
    'an offset within its error is fine',
    facts({ validators: validators({}, { clockOffsetMs: 400, clockUncertaintyMs: 200 }) }),
    'ok',
    [],
    /^In/,
  ],
  [
    'an offset of long ago is not told',
    facts({ validators: validators({}, { ...AWAY, clockOffsetMs: 5_000 }) }),
    'ok',
    ['validator-unreachable'],
    /./,
  ],
  ['asking the others before the first vote', facts({ consensus: null, joining: { power: 1, of: 4 } }), 'ok', ['joining'], /^In agreement/],
  [
    'silent for want of a log',
    facts({ consensus: round({ notVotingBecause: 'lost-log', silentThrough: 12 }) }),
    'ok',
    ['keeps-silent'],
    /does not vote through height 12/,
  ],
  ['another keeps silent', facts({ validators: validators({}, { silentThrough: 12 }) }), 'ok', ['validator-keeps-silent'], /^In agreement/],
  [
    'another is behind',
    facts({ validators: validators({}, { height: 6 }) }),
    'ok',
    ['validator-behind'],
    /^Berlin is at height 6, 4 blocks behind/,
  ],
  ['three blocks are no lag', facts({ validators: validators({}, { height: 7 }) }), 'ok', [], /./],
  [
    'another tip at the same height',
    facts({ validators: validators({}, { differs: true }) }),
    'diverged',
    ['state-differs'],
    /another block than Berlin/,
  ],
  ['room on the disk is nothing to speak of', facts({ storage: room({ state: 'ok', freeBytes: 9 * GIB }) }), 'ok', [], /^In agreement/],
  [
    'the disk fills up',
    facts({ storage: room({ state: 'nearly-full', freeBytes: 1.5 * GIB }) }),
    'ok',
    ['disk-nearly-full'],
    /^The disk has 1\.5 GiB left; below 1\.0 GiB this node takes no fragments/,
  ],
  [
    'the disk is nearly full, and so is the quota',
    facts({ storage: { ...room({ state: 'read-only', freeBytes: 0.5 * GIB }), fragmentBytes: 900 } }),
    'ok',
    ['read-only', 'quota-nearly-full'],
    /^The disk has 512\.0 MiB left, and 1\.0 GiB are kept for the ledger: this node takes no fragments/,
  ],
  ['halted', facts({ consensus: round({ halted: 'wal-full' }) }), 'halted', ['halted'], /has stopped here \(wal-full\)/],
  ['catching up', facts({ peerHeight: 40 }), 'syncing', ['syncing'], /^Catching up: height 10 of 40/],
  ['one block behind is no catching up', facts({ peerHeight: 11 }), 'ok', [], /./],
  ['no block for long', facts({ blockAgeMs: 75_001 }), 'stale', ['stale'], /^The newest block is 75 s old/],
  [
    'the engine executes differently',
    facts({ consensus: round({ remarks: [{ event: 'consensus.verdict-against-quorum', count: 2, sinceMs: 900, code: null }] }) }),
    'diverged',
    ['verdict-against-quorum'],
    /^At height 11, 2 times: a quorum holds a block valid/,
  ],
  [
    'a block cannot be stored',
    facts({ consensus: round({ remarks: [{ event: 'consensus.commit-failed', count: 1, sinceMs: 900, code: 'ENOSPC' }] }) }),
    'ok',
    ['commit-failed'],
    /^At height 11: a decided block could not be stored \(ENOSPC\)\./,
  ],
  [
    'an event that says nothing',
    facts({ consensus: round({ remarks: [{ event: 'constructor', count: 1, sinceMs: 1, code: null }] }) }),
    'ok',
    [],
    /./,
  ],
  [
    'the worst comes first, and the gravest state wins',
    facts({
      blockAgeMs: 100_000,
      peerHeight: 20,
      validators: validators({}, AWAY, AWAY),
      consensus: round({ round: 9, step: 'prevote', sinceMs: 100, failedProposers: ['Berlin'] }),
    }),
    'quorum-missing',
    ['quorum-missing', 'stale', 'round-advanced', 'syncing'],
    /^No block can be made/,
  ],
  ['a custodian that audits found absent', facts({ silentCustodian: 'absent' }), 'ok', ['custodian-silent'], /takes no new fragments/],
  ['and one that is kept', facts({ silentCustodian: 'kept' }), 'ok', ['custodian-silent'], /too few custodians/],
]
for (const [name, given, state, codes, sentence] of CASES) {
  test(name, () => {
    const diagnosis = diagnose(given)
    assert.equal(
      diagnosis.findings.map(({ code }) => code),
      codes,
    )
    assert.is(diagnosis.state, state)
    assert.match(diagnosis.summary, sentence)
    for (const { action, message } of diagnosis.findings) assert.ok(action.length > 0 && message.endsWith('.'), message)
  })
}

test('it says since when', () => {
  const since = (given: DiagnosisFacts): (number | null)[] => diagnose(given).findings.map(({ forMs }) => forMs)
  assert.equal(since(facts({ validators: validators({}, AWAY) })), [120_000])
  // The quorum went with the last of them.
  assert.equal(since(facts({ validators: validators({}, AWAY, { connected: false, lastSeenMs: 7_000 }) })), [7_000])
  assert.equal(since(facts({ consensus: round({ round: 1, failedProposers: ['Rio'], heightSinceMs: 4_000 }) })), [4_000])
})

test('many names are cut', () => {
  const many = Array.from({ length: 100 }, (_, index): ValidatorFacts => ({ ...validators()[1]!, ...AWAY, name: `v${index}` }))
  const { summary } = diagnose(facts({ validators: many }))
  assert.match(summary, /v7 and 92 more/)
})

test.run()
