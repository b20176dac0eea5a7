/** The public entry as a stranger meets it: vote tables, the machine, the arithmetic, errors, states as data, and the README's example. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ConsensusInput, ConsensusOutput, ConsensusState, PlainMessage, VotesInput, VotesOutput, VotesState } from 'epione/consensus'
import * as entry from 'epione/consensus'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { throwsCode } from '../encoding/throws.ts'
import { FOUR } from './tables/table.ts'

const test = suite('the public entry epione/consensus')

const vote = (from: string, value: string | null, round = 0, kind: 'prevote' | 'precommit' = 'prevote'): VotesInput => ({
  type: 'vote',
  kind,
  round,
  value,
  from,
})
const added = (from: string, value: string | null, round = 0, kind: 'prevote' | 'precommit' = 'prevote'): VotesOutput => ({
  type: 'added',
  kind,
  round,
  from,
  value,
})

const voteTables: { name: string; powers: Record<string, number>; rows: [VotesInput, VotesOutput[]][] }[] = [
  {
    name: 'votes for one value reach its quorum; each threshold is told once',
    powers: { a: 1, b: 1, c: 1, d: 1 },
    rows: [
      [vote('a', 'v'), [added('a', 'v')]],
      [vote('a', 'v'), [{ type: 'known', kind: 'prevote', round: 0, from: 'a', value: 'v' }]],
      [vote('b', 'v'), [added('b', 'v')]],
      [
        vote('c', 'v'),
        [added('c', 'v'), { type: 'quorum-any', kind: 'prevote', round: 0 }, { type: 'quorum', kind: 'prevote', round: 0, value: 'v' }],
      ],
      [vote('d', 'v'), [added('d', 'v')]],
    ],
  },
  {
    name: 'votes that go apart reach a quorum of any',
    powers: { a: 1, b: 1, c: 1, d: 1 },
    rows: [
      [vote('a', 'v'), [added('a', 'v')]],
      [vote('b', null), [added('b', null)]],
      [vote('c', 'w'), [added('c', 'w'), { type: 'quorum-any', kind: 'prevote', round: 0 }]],
    ],
  },
  {
    name: 'nil reaches a quorum like a value',
    powers: { a: 2, b: 3, c: 2 },
    rows: [
      [vote('a', null, 0, 'precommit'), [added('a', null, 0, 'precommit')]],
      [
        vote('b', null, 0, 'precommit'),
        [
          added('b', null, 0, 'precommit'),
          { type: 'quorum-any', kind: 'precommit', round: 0 },
          { type: 'quorum', kind: 'precommit', round: 0, value: null },
        ],
      ],
    ],
  },
  {
    name: 'senders of a later round, by weight and not by messages, make a skip',
    powers: { a: 1, b: 1, c: 1, d: 1 },
    rows: [
      [vote('a', 'v', 4), [added('a', 'v', 4)]],
      [vote('a', 'v', 4, 'precommit'), [added('a', 'v', 4, 'precommit')]],
      [{ type: 'message', round: 4, from: 'a' }, []],
      [{ type: 'message', round: 4, from: 'b' }, [{ type: 'skip', round: 4 }]],
      [{ type: 'round', round: 4 }, []],
      [vote('c', 'v', 4), [added('c', 'v', 4), { type: 'quorum-any', kind: 'prevote', round: 4 }].slice(0, 1) as VotesOutput[]],
    ],
  },
  {
    name: 'an equivocator is told of once, its first vote stays, and a whole certificate counts all the same',
    powers: { a: 1, b: 1, c: 1, d: 1 },
    rows: [
      [vote('c', 'w'), [added('c', 'w')]],
      [vote('c', 'v'), [{ type: 'conflict', kind: 'prevote', round: 0, from: 'c', values: ['v', 'w'] }]],
      [vote('c', null), [{ type: 'known', kind: 'prevote', round: 0, from: 'c', value: null }]],
      [
        {
          type: 'votes',
          votes: ['a', 'b', 'c'].map(from => ({ kind: 'prevote', round: 0, value: 'v', from })),
        },
        [
          added('a', 'v'),
          added('b', 'v'),
          { type: 'known', kind: 'prevote', round: 0, from: 'c', value: 'v' },
          { type: 'quorum-any', kind: 'prevote', round: 0 },
          { type: 'quorum', kind: 'prevote', round: 0, value: 'v' },
        ],
      ],
    ],
  },
  {
    name: 'a stranger is refused',
    powers: { a: 1 },
    rows: [
      [vote('x', 'v'), [{ type: 'refused', kind: 'prevote', round: 0, from: 'x', value: 'v' }]],
      [{ type: 'message', round: 1, from: 'x' }, [{ type: 'message-refused', round: 1, from: 'x' }]],
    ],
  },
]

for (const { name, powers, rows } of voteTables) {
  test(`votes: ${name}`, () => {
    let state: VotesState = entry.startVotes({ validators: Object.entries(powers).map(([name, power]) => ({ name, power })) })
    rows.forEach(([input, expected], i) => {
      const stepped = entry.stepVotes(state, input)
      state = stepped.state
      assert.equal(stepped.outputs, expected, `row ${i + 1}`)
    })
    assert.equal(entry.viewVotes(JSON.parse(JSON.stringify(state)) as VotesState), entry.viewVotes(state))
  })
}

test('the round machine: states and outputs are values, and a refused input gives the very same state', () => {
  const started = entry.transition(entry.initialState, { type: 'start-round', round: 0, proposer: true })
  assert.equal(started.outputs, [
    { type: 'get-value', round: 0 },
    { type: 'schedule', kind: 'propose', round: 0 },
  ])
  assert.is(entry.transition(started.state, { type: 'polka-nil', round: 0 }).state, started.state)
  assert.equal(entry.initialState.round, -1, 'nothing was changed in place')
})

test('quorums, turns and times', () => {
  assert.equal(
    [2, 3].map(power => entry.isQuorum(power, 4)),
    [false, true],
  )
  assert.equal(
    [1, 2].map(power => entry.isMoreThanThird(power, 4)),
    [false, true],
  )
  assert.equal(entry.roundTimeouts({ proposeMs: 1000, voteMs: 500, growthMs: 250 }, 4), {
    proposeMs: 2000,
    voteMs: 1500,
    rebroadcastMs: 5000,
  })
  const set = { validators: [1, 2].map(n => ({ publicKey: new Uint8Array(32).fill(n), power: n })), since: 1 }
  assert.is(entry.totalPower(set), 3)
  assert.equal(
    [1, 2, 3, 4].map(height => entry.proposerAt(set, height, 0).power),
    [2, 1, 2, 2],
  )
})

test('a state is its setup and inputs: older states go on by themselves, and both ways are the same', () => {
  const root = entry.startConsensus(FOUR)
  const proposed = entry.stepConsensus(root, { type: 'proposal', round: 0, value: 'v' })
  const other = entry.stepConsensus(root, { type: 'timeout', kind: 'propose', round: 0 })
  assert.equal(other.outputs, [{ type: 'dropped', because: 'known' }])
  const again = entry.stepConsensus(root, { type: 'proposal', round: 0, value: 'v' })
  assert.equal(again.outputs, proposed.outputs)
  assert.equal(again.state, proposed.state)
  assert.equal(entry.viewConsensus(root).step, 'idle')
  assert.equal(entry.viewConsensus(proposed.state).step, 'prevote')
})

test('nodes that are given each other’s broadcasts decide together', () => {
  const names = ['a', 'b', 'c', 'd']
  const states = new Map<string, ConsensusState>(names.map(self => [self, entry.startConsensus({ ...FOUR, self })]))
  const queue: { to: string; input: ConsensusInput }[] = names.map(to => ({ to, input: { type: 'start' } }))
  const decided: string[] = []
  for (let steps = 0; queue.length > 0 && steps < 1000; steps++) {
    const { to, input } = queue.shift()!
    const stepped = entry.stepConsensus(states.get(to)!, input)
    states.set(to, stepped.state)
    for (const output of stepped.outputs as ConsensusOutput[]) {
      if (output.type === 'get-value') queue.push({ to, input: { type: 'value', round: output.round, value: 'v', batches: ['x'] } })
      if (output.type === 'decide') decided.push(`${to} ${output.round} ${output.value} ${output.batches.join()}`)
      if (output.type !== 'broadcast') continue
      for (const peer of names) if (peer !== to) queue.push({ to: peer, input: JSON.parse(JSON.stringify(output.message)) as PlainMessage })
    }
  }
  assert.equal(decided.sort(), ['a 0 v x', 'b 0 v x', 'c 0 v x', 'd 0 v x'])
})

test('what is no setup or no input is refused with a stable code, and the state goes on', () => {
  const setups = [
    { validators: [], self: null },
    { validators: [{ name: 'a' }, { name: 'a' }], self: null },
    { validators: [{ name: 'a', power: 0 }], self: null },
    { validators: [{ name: 'a', power: 1.5 }], self: null },
    { validators: [{ name: 'n'.repeat(33) }], self: null },
    { validators: [{ name: 'a' }], self: null, height: 0 },
    { validators: [{ name: 'a' }], self: null, timeouts: { proposeMs: -1, voteMs: 1, growthMs: 1 } },
  ]
  for (const setup of setups) throwsCode(() => entry.startConsensus(setup), 'consensus-setup')
  throwsCode(() => entry.startVotes({ validators: [] }), 'consensus-setup')
  const state = entry.startConsensus(FOUR)
  const inputs: unknown[] = [
    { type: 'nothing' },
    {},
    { type: 'proposal', round: -1, value: 'v' },
    { type: 'proposal', round: 0, value: 'v@x' },
    { type: 'proposal', round: 1, value: 'v', validRound: 1 },
    { type: 'proposal', round: 0, value: 'v', valid: 'perhaps' },
    { type: 'proposal', round: 0, value: 'v', height: 0 },
    { type: 'proposal', round: 0, value: 'v', batches: 'x' },
    { type: 'vote', kind: 'postvote', round: 0, value: null, from: 'a' },
    { type: 'vote', kind: 'prevote', round: 1_000_001, value: null, from: 'a' },
    { type: 'vote', kind: 'prevote', round: 0, value: null, from: '' },
    { type: 'vote', kind: 'prevote', round: 0, from: 'a' },
    { type: 'votes', votes: [] },
    { type: 'certificate', round: 0, value: 'v', from: 'abc' },
    { type: 'timeout', kind: 'coffee', round: 0 },
    { type: 'verdict', value: 'v', valid: 1 },
    { type: 'enter', height: 2.5 },
    { type: 'enter', validators: [{ name: '' }] },
  ]
  for (const input of inputs) {
    const code = (input as { validators?: unknown }).validators === undefined ? 'consensus-input' : 'consensus-setup'
    throwsCode(() => entry.stepConsensus(state, input as ConsensusInput), code)
  }
  const stepped = entry.stepConsensus(state, { type: 'start' })
  assert.is(entry.viewConsensus(stepped.state).round, 0)
  const votes = entry.startVotes({ validators: [{ name: 'a' }] })
  for (const input of [{ type: 'x' }, { type: 'votes', votes: 1 }, { type: 'message', round: 0.5, from: 'a' }]) {
    throwsCode(() => entry.stepVotes(votes, input as VotesInput), 'consensus-input')
  }
})

test('the example in the README runs and says what it says', async () => {
  const readme = readFileSync(join(import.meta.dirname, '../../src/consensus/README.md'), 'utf8')
  const section = readme.slice(readme.indexOf('## Drive it from a table'))
  const source = /```js\n([\s\S]*?)```/.exec(section)?.[1]
  assert.ok(source !== undefined)
  const said: unknown[] = []
  const body = source.replace(/^import \{([^}]*)\} from 'epione\/consensus'$/m, 'const {$1} = entry')
  assert.ok(body.includes('= entry'), 'it imports the public entry')
  const run = new Function('entry', 'console', body) as (entry: unknown, console: unknown) => void
  run(entry, { log: (...what: unknown[]) => said.push(...what) })
  const claims = [...source.matchAll(/^ *\/\/ -> (.*)$/gm)].map(([, claim]) => claim)
  assert.equal(said, claims)
  assert.ok(claims.length >= 4)
})

test.run()
