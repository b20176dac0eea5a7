/**
 * The implementation rules that this engine is built by, each with a test where none of the other files holds it; the table in this folder's README
 * says where every rule is shown, and the last test here that the table speaks the truth.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type ConsensusInput,
  type ConsensusOutput,
  initialState,
  isMoreThanThird,
  isQuorum,
  type MachineInput,
  type MachineState,
  proposerAt,
  roundTimeouts,
  startConsensus,
  stepConsensus,
  transition,
  viewConsensus,
} from 'epione/consensus'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SigningGuard } from '../../src/consensus/guard.ts'
import { walEntryCodec } from '../../src/consensus/inputs.ts'
import { WriteAheadLog } from '../../src/consensus/wal.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { ROOT } from '../laws.ts'
import { memoryFile } from './memory-file.ts'
import { seeded, TestNetwork, testKeys, validatorSet } from './network.ts'
import { bundle, FOUR, precommits, prevotes, proposal } from './tables/table.ts'

const test = suite('rules of consensus')
const SEED = Number(process.env.TEST_SEED ?? 11)

function run(inputs: readonly ConsensusInput[], setup = FOUR): ConsensusOutput[] {
  let state = startConsensus(setup)
  return inputs.flatMap(input => {
    const stepped = stepConsensus(state, input)
    state = stepped.state
    return stepped.outputs
  })
}

/** What the machine may be given in its present state, with values `v` and `w`: what no driver would give leads nowhere. */
function enabled(state: MachineState, random: () => number): MachineInput {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
  const value = pick(['v', 'w'])
  const round = state.round
  const choices: MachineInput[] = [
    { type: 'polka', round, value },
    { type: 'polka-nil', round },
    { type: 'prevotes-any', round },
    { type: 'precommits-any', round },
    { type: 'timeout', kind: pick(['propose', 'prevote', 'precommit']), round },
    { type: 'skip', round: round + 1 + Math.floor(random() * 3) },
  ]
  if (state.step === 'propose') {
    choices.push(
      { type: 'proposal', round, value, valid: random() < 0.8 },
      { type: 'proposal-with-polka', round, value, validRound: Math.floor(random() * Math.max(1, round)), valid: random() < 0.8 },
    )
  }
  if (state.awaitingValue) choices.push({ type: 'value', round, value: 'v' })
  return pick(choices)
}

test('rule 1: the core is a function: frozen states and inputs, the same outputs each time', () => {
  const random = seeded(SEED)
  let state: MachineState = Object.freeze({ ...initialState })
  for (let i = 0; i < 20_000; i++) {
    const input = Object.freeze(
      state.round < 0 ? { type: 'start-round' as const, round: 0, proposer: random() < 0.5 } : enabled(state, random),
    )
    const [one, two] = [transition(state, input), transition(state, input)]
    assert.equal(one, two, `seed ${SEED} step ${i}`)
    state = Object.freeze(one.state)
    for (const output of one.outputs) {
      if (output.type !== 'new-round') continue
      state = Object.freeze(transition(state, { type: 'start-round', round: output.round, proposer: random() < 0.3 }).state)
    }
  }
})

test('rule 2: after each input every clause that is enabled is applied, until none is left', () => {
  const late = run([...prevotes(0, 'v', 'abc'), ...precommits(0, 'v', 'abc'), proposal('v', 0)])
  const said = late.flatMap(output => (output.type === 'vote' ? [output.kind] : output.type === 'decide' ? ['decide'] : []))
  assert.equal(said, ['decide'], 'the decision comes first and ends the height')
  const locked = run([...prevotes(0, 'v', 'abc'), ...precommits(0, null, 'abc'), proposal('v', 0)])
  assert.equal(
    locked.flatMap(output =>
      output.type === 'vote' ? [`${output.kind} ${output.value}`] : output.type === 'schedule' ? [output.kind] : [],
    ),
    ['propose', 'rebroadcast', 'precommit', 'prevote v', 'precommit v'],
  )
})

test('rule 3: locks come by precommits alone, never fall, and a nil polka never moves them', () => {
  for (let walk = 0; walk < 300; walk++) {
    const random = seeded(SEED + walk)
    let state = transition(initialState, { type: 'start-round', round: 0, proposer: false }).state
    for (let i = 0; i < 60; i++) {
      const input = enabled(state, random)
      const { state: next, outputs } = transition(state, input)
      const where = `seed ${SEED + walk} step ${i}: ${JSON.stringify(input)}`
      assert.ok(next.lockedRound >= state.lockedRound && next.validRound >= state.validRound, where)
      assert.ok(next.validRound >= next.lockedRound, where)
      if (next.lockedRound !== state.lockedRound || next.lockedValue !== state.lockedValue) {
        assert.is(input.type, 'polka', where)
        assert.is(state.step, 'prevote', where)
        assert.equal(outputs, [{ type: 'vote', kind: 'precommit', round: next.round, value: next.lockedValue }], where)
      }
      for (const output of outputs) {
        // Nobody precommits a value that it is not locked on, and nobody prevotes against its lock without a polka at or above it.
        if (output.type === 'vote' && output.kind === 'precommit' && output.value !== null) assert.is(output.value, next.lockedValue, where)
        if (output.type === 'vote' && output.kind === 'prevote' && output.value !== null && state.lockedValue !== null) {
          const later = input.type === 'proposal-with-polka' && input.validRound >= state.lockedRound
          assert.ok(later || output.value === state.lockedValue, where)
        }
      }
      state = next
      for (const output of outputs) {
        if (output.type === 'new-round') state = transition(state, { type: 'start-round', round: output.round, proposer: false }).state
      }
    }
  }
})

test('rule 5: votes are for hashes: they wait for the payload, in every clause that needs it', () => {
  const asked = (inputs: ConsensusInput[], answer: ConsensusInput): string[] =>
    run([...inputs, answer]).flatMap(output =>
      output.type === 'vote' || output.type === 'decide' ? [`${output.type} ${output.value}`] : [],
    )
  const late = proposal('v', 0, { valid: 'ask' })
  const verdict: ConsensusInput = { type: 'verdict', value: 'v', valid: true }
  // Line 22; then 36 with its polka; 49 with its precommits; and 28 in a later round.
  assert.equal(asked([late], verdict), ['vote v'])
  assert.equal(asked([...prevotes(0, 'v', 'abc'), late], verdict), ['vote v', 'vote v'])
  assert.equal(asked([...precommits(0, 'v', 'abc'), late], verdict), ['decide v'])
  const again = proposal('v', 1, { validRound: 0, valid: 'ask' })
  assert.equal(asked([...prevotes(0, 'v', 'abc'), ...precommits(1, null, 'ab'), again], verdict), ['vote v'])
})

test('rule 6: quorums are integers over distinct senders, exact at the largest weights', () => {
  for (let total = 1; total <= 300; total++) {
    for (let power = 0; power <= total; power++) {
      assert.is(isQuorum(power, total), BigInt(3 * power) > BigInt(2 * total))
      assert.is(isMoreThanThird(power, total), BigInt(3 * power) > BigInt(total))
    }
  }
  const total = 256 * 1_000_000_000
  for (const near of [-1, 0, 1]) {
    const power = Math.floor((2 * total) / 3) + near
    assert.is(isQuorum(power, total), 3n * BigInt(power) > 2n * BigInt(total))
  }
  // One sender many times is one sender.
  assert.not(run([proposal('v', 0), bundle('precommit', 0, 'v', 'aaa')]).some(({ type }) => type === 'decide'))
})

test('rule 7: a skip goes exactly to the round that f + 1 are in, with that round’s proposer', () => {
  const powers = [3, 1, 2, 2]
  const validators = [...'abcd'].map((name, i) => ({ name, power: powers[i]! }))
  const set = validatorSet(testKeys(4), powers)
  for (let round = 1; round < 40; round++) {
    let state = startConsensus({ validators, self: 'd' })
    for (const input of [{ type: 'start' } as const, ...prevotes(round, null, 'bc')]) state = stepConsensus(state, input).state
    const view = viewConsensus(state)
    assert.is(view.round, round)
    assert.is(view.proposer, validators[set.validators.indexOf(proposerAt(set, 1, round))]!.name)
  }
})

test('rule 8: inputs are logged before they are applied, and what was signed is on disk before it leaves', async () => {
  const network = new TestNetwork({ seed: SEED })
  const node = 1
  const own = network.keys[node]!.publicKey
  /** What of each file is on disk for sure. */
  const onDisk = new Map<string, Uint8Array>()
  let checked = 0
  network.wrapDisk = (disk, at) => {
    if (at !== node) return disk
    return {
      open: name => {
        const file = disk.open(name)
        return {
          ...file,
          get size() {
            return file.size
          },
          sync: async () => {
            const before = file.read(file.size)
            await file.sync()
            onDisk.set(name, before)
          },
          syncNow: () => {
            file.syncNow()
            onDisk.set(name, file.read(file.size))
          },
        }
      },
    }
  }
  network.lose = ({ from, message }) => {
    if (from !== node || (message.type !== 'vote' && message.type !== 'proposal')) return false
    const { height, round, signature, validator } = message.value
    if (!equalBytes(validator, own)) return false
    checked++
    const log = new WriteAheadLog(memoryFile(onDisk.get(`wal-${height % 2}`)!)).replay().map(payload => walEntryCodec.decode(payload))
    const inputs = log.flatMap(entry => (entry.type === 'input' ? [entry.value] : []))
    const logged = inputs.some(input =>
      input.type === 'votes'
        ? input.value.some(vote => equalBytes(vote.signature, signature))
        : input.type === 'proposal' && equalBytes(input.value.proposal.signature, signature),
    )
    assert.ok(logged, `${message.type} of ${height}/${round} leaves before the log that holds it is on disk`)
    const guard = SigningGuard.open(memoryFile(onDisk.get('guard')!)).last
    assert.ok(guard.height > height || (guard.height === height && guard.round >= round), 'the guard is on disk')
    return false
  }
  try {
    await network.start()
    for (let name = 1; name <= 3; name++) {
      network.addWork(name)
      const done = await network.until(() => network.heights().every(height => height === name))
      assert.ok(done, network.failures.map(String).join())
    }
    assert.equal(network.failures, [])
    assert.ok(checked >= 3 * 2 * 3, `${checked} messages were looked at`)
  } finally {
    await network.close()
  }
})

test('rule 11: timers grow linearly with the round, have no cap, and hang on nothing else', () => {
  const base = { proposeMs: 3000, voteMs: 1000, growthMs: 500 }
  for (const round of [0, 1, 2, 17, 1000, 1_000_000]) {
    const times = roundTimeouts(base, round)
    assert.equal(times, {
      proposeMs: 3000 + 500 * round,
      voteMs: 1000 + 500 * round,
      rebroadcastMs: 5000 + 1500 * round,
    })
  }
})

/** Rows of the README's tables of rules and bugs: what, file, name of the test. */
function claims(): { what: string; file: string; name: string }[] {
  const readme = readFileSync(join(ROOT, 'test/consensus/README.md'), 'utf8')
  const section = readme.slice(readme.indexOf('## Where each rule and each bug of others is tested'))
  return [...section.matchAll(/^\| (.+?) \| `([^`]+)` \| (.+?) \|$/gm)].map(([, what = '', file = '', name = '']) => ({ what, file, name }))
}

test('each rule, mutant and bug in the README’s table names a test that exists', () => {
  const rows = claims()
  for (const { what, file, name } of rows) {
    const path = join(ROOT, 'test', file)
    assert.ok(existsSync(path), `${what}: ${file}`)
    for (const one of name.split(' · ')) assert.ok(readFileSync(path, 'utf8').includes(one), `${what}: ${file} has no test "${one}"`)
  }
  const count = (pattern: RegExp): number => new Set(rows.map(({ what }) => pattern.exec(what)?.[1]).filter(Boolean)).size
  assert.is(count(/^rule (\d+)/), 12)
  assert.is(count(/^mutant (\d+)/), 6)
  assert.is(count(/^bug (\d+)/), 21)
})

test.run()
