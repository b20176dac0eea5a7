import { mock } from 'node:test'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EpioneError } from '../../src/encoding/errors.ts'
import { Liveness } from '../../src/network/liveness.ts'

const test = suite('liveness')

test.before.each(() => mock.timers.enable({ apis: ['setTimeout', 'setInterval'] }))
test.after.each(() => mock.timers.reset())

/** A check of one peer under a clock that is turned by hand; a peer that is silent lets each ping run into its limit. */
function watched() {
  const state = { silent: false, refuses: false, dropped: 0, close: true }
  const name = '2a'
  const liveness = new Liveness({
    connected: () => new Set(state.dropped === 0 ? [name] : []),
    isClose: () => state.close,
    ping: async (_peer, { timeoutMs }) => {
      if (state.silent) {
        await new Promise(resolve => setTimeout(resolve, timeoutMs))
        throw new EpioneError('timeout', 'no answer')
      }
      if (state.refuses) throw new EpioneError('busy', 'too many pings')
      return 7
    },
    drop: () => void state.dropped++,
  })
  liveness.start()
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 100) {
      mock.timers.tick(100)
      for (let i = 0; i < 10; i++) await Promise.resolve()
    }
  }
  return { state, liveness, pass }
}

test('a peer that says nothing any more is given up within 20 seconds, not at its first late answer', async () => {
  const { state, liveness, pass } = watched()
  await pass(12_000)
  assert.is(liveness.rttMs('2a'), 7)
  state.silent = true
  await pass(12_000)
  assert.is(state.dropped, 0)
  await pass(8_000)
  assert.is(state.dropped, 1)
  liveness.stop()
})

test('any answer begins the count anew, even a refusal', async () => {
  const { state, liveness, pass } = watched()
  for (let i = 0; i < 5; i++) {
    state.silent = true
    await pass(9_000)
    Object.assign(state, { silent: false, refuses: i % 2 === 0 })
    await pass(9_000)
  }
  assert.is(state.dropped, 0)
  liveness.stop()
})

test('who is no member is asked in one of six rounds, and given up after three of these', async () => {
  const { state, liveness, pass } = watched()
  state.close = false
  await pass(31_000)
  assert.is(liveness.rttMs('2a'), 7)
  state.silent = true
  await pass(60_000)
  assert.is(state.dropped, 0)
  await pass(40_000)
  assert.is(state.dropped, 1)
  liveness.stop()
})

test.run()
