import { mock } from 'node:test'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MemberDialer } from '../../src/network/dialer.ts'
import { silentLogger } from '../../src/network/logger.ts'

const test = suite('member dialer')
const [low, high] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]

test.before.each(() => mock.timers.enable({ apis: ['setTimeout'] }))
test.after.each(() => mock.timers.reset())

/** A dialer under a clock that is turned by hand; every dial fails. */
function dialer(self: Uint8Array, peer: Uint8Array) {
  const state = { connected: false, dials: 0 }
  const made = new MemberDialer(self, {
    isConnected: () => state.connected,
    dial: async () => {
      state.dials++
      throw new Error('nobody answers')
    },
    logger: silentLogger,
  })
  made.update([
    { networkKey: self, validator: true, addresses: ['here'] },
    { networkKey: peer, validator: true, addresses: ['there'] },
  ])
  made.start()
  /** Lets time pass in small steps, so that what a dial brings about happens in between. */
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 10) {
      mock.timers.tick(10)
      for (let i = 0; i < 5; i++) await Promise.resolve()
    }
  }
  return { made, state, pass }
}

test('the smaller key dials at once, the larger when no connection has come within a moment', async () => {
  const [small, large] = [dialer(low, high), dialer(high, low)]
  await small.pass(10)
  assert.equal([small.state.dials, large.state.dials], [1, 0])
  await small.pass(1_000)
  assert.ok(large.state.dials >= 1, String(large.state.dials))
})

test('the larger key leaves it at that where the smaller one came', async () => {
  const { state, pass } = dialer(high, low)
  await pass(100)
  state.connected = true
  await pass(60_000)
  assert.is(state.dials, 0)
})

test('however long a member was away, it is dialled again within two seconds, and not without end', async () => {
  const { state, pass } = dialer(low, high)
  await pass(120_000)
  for (let i = 0; i < 10; i++) {
    const before = state.dials
    await pass(2_100)
    assert.ok(state.dials > before, 'a dial within two seconds')
    assert.ok(state.dials <= before + 3, `${state.dials - before} dials within two seconds`)
  }
})

test('a connection that was lost is dialled at once by the smaller key, whatever the pauses before', async () => {
  const { made, state, pass } = dialer(low, high)
  await pass(30_000)
  state.connected = true
  await pass(5_000)
  const before = state.dials
  state.connected = false
  made.disconnected(high)
  await pass(10)
  assert.is(state.dials, before + 1)
  made.stop()
  await pass(10_000)
  assert.is(state.dials, before + 1, 'nothing after the stop')
})

test.run()
