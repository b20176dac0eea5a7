import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { genesisChanges } from '../../src/contracts/members.ts'
import { chainId } from '../../src/contracts/members-formats.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { HEARTBEAT_MS, MAX_NODES, planGenesis, planTestnet } from '../../testnet/launcher/plan.ts'

const test = suite('testnet plan')
const TIME = Date.UTC(2031, 0, 1)

function plan(options: Partial<Parameters<typeof planTestnet>[0]> = {}) {
  return planTestnet({ dir: '/srv/net', validators: 4, full: 0, seed: 7, basePort: 7700, ...options })
}

test('the seed fixes every key, and another seed gives others', () => {
  const [one, same, other] = [plan(), plan({ dir: '/elsewhere', basePort: 8800 }), plan({ seed: 8 })]
  const keys = (of: ReturnType<typeof plan>) =>
    of.nodes.flatMap(node => [...Object.values(node.secrets), node.registrar.signingSeed, node.registrar.sealingSeed].map(toHex))
  assert.equal(keys(one), keys(same))
  assert.is(new Set([...keys(one), ...keys(other)]).size, keys(one).length + keys(other).length)
  assert.equal(
    toHex(chainId(planGenesis(one, TIME, HEARTBEAT_MS))),
    toHex(chainId(planGenesis(same, TIME, HEARTBEAT_MS))),
    'the genesis knows neither folder nor ports',
  )
})

test('node i listens at base + 10 i, and dials by its peer id', () => {
  const [first, second] = plan().nodes
  assert.equal(first?.listen, ['/ip4/127.0.0.1/tcp/7710', '/ip4/127.0.0.1/tcp/7711/ws'])
  assert.equal(second?.id, 'node2')
  assert.is(second?.home, '/srv/net/node2')
  assert.match(second?.addresses[0] ?? '', /^\/ip4\/127\.0\.0\.1\/tcp\/7720\/p2p\/12D3Koo\w+$/)
})

test('every size gives a genesis that the ledger accepts, with n = 3f + 1 of its custodians', () => {
  for (const [validators, full, n, k] of [
    [4, 0, 4, 2],
    [1, 3, 4, 2],
    [6, 0, 4, 2],
    [7, 0, 7, 3],
    [7, 3, 10, 4],
    [MAX_NODES, 0, 46, 16],
  ] as const) {
    const genesis = planGenesis(plan({ validators, full }), TIME, HEARTBEAT_MS)
    assert.ok(genesisChanges(genesis).length > validators + full)
    assert.equal([genesis.parameters.n, genesis.parameters.k], [n, k], `${validators} + ${full}`)
    assert.is(genesis.organisations.filter(({ power }) => power > 0).length, validators)
    assert.is(new Set(genesis.organisations.map(({ name }) => name)).size, validators + full)
  }
})

test('the first four are in four countries', () => {
  assert.equal(
    plan().nodes.map(({ jurisdiction }) => jurisdiction),
    ['KE', 'DE', 'BR', 'IN'],
  )
})

test('what cannot be is refused', () => {
  for (const options of [{ validators: 3 }, { validators: 0, full: 4 }, { validators: 60, full: 5 }, { basePort: 32_728 }]) {
    try {
      plan(options)
      assert.unreachable(JSON.stringify(options))
    } catch (error) {
      assert.is(errorCode(error), 'invalid-argument')
    }
  }
  assert.is(plan({ basePort: 32_725 }).nodes.length, 4)
})

test.run()
