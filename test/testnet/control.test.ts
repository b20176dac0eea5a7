/** The control of a testnet: what can be asked for, by whom, and what is answered. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EpioneError } from '../../src/encoding/errors.ts'
import { type Act, type ActInput, describeAct, parseAct } from '../../testnet/control/acts.ts'
import { type ControlState, createControlApp, type Done } from '../../testnet/control/server.ts'
import { throwsCode } from '../encoding/throws.ts'

const test = suite('control of a testnet')

const ACTS: readonly (readonly [ActInput, string])[] = [
  [{ verb: 'up' }, 'up'],
  [{ verb: 'kill', node: 'node2' }, 'kill node2'],
  [{ verb: 'partition', groups: [['node1', 'node2'], ['node3']] }, 'partition node1,node2 | node3'],
  [{ verb: 'partition', groups: [['node4']], silent: true }, 'partition node4, silently'],
  [{ verb: 'heal' }, 'heal'],
  [{ verb: 'delay', ms: 80, jitterMs: 20, groups: [['node1'], ['node2']] }, 'delay 80 ms and up to 20 ms more between node1 | node2'],
  [{ verb: 'drop', share: 0.055 }, 'drop 5.5 %'],
  [{ verb: 'clock', node: 'node1', ms: -90_000 }, 'clock node1 -90000 ms'],
  [{ verb: 'disk-full', node: 'node3' }, 'disk full: node3'],
  [{ verb: 'disk-full', node: 'node3', full: false }, 'disk with room: node3'],
  [{ verb: 'slow-disk', node: 'node3', ms: 50 }, 'disk slower by 50 ms: node3'],
  [{ verb: 'byzantine', node: 'node4', mode: 'equivocate' }, 'byzantine node4: equivocate'],
  [{ verb: 'byzantine', node: 'node4', mode: null }, 'honest again: node4'],
]

test('every act is understood and can be said in words', () => {
  for (const [act, words] of ACTS) assert.is(describeAct(parseAct(act)), words)
})

test('what is no act is refused', () => {
  for (const value of [
    null,
    {},
    { verb: 'burn', node: 'node1' },
    { verb: 'kill' },
    { verb: 'kill', node: '../node1' },
    { verb: 'kill', node: 'node1', how: 'slowly' },
    { verb: 'delay', ms: 1e9 },
    { verb: 'delay', ms: 0.5 },
    { verb: 'drop', share: 1 },
    { verb: 'byzantine', node: 'node1', mode: 'politely' },
    { verb: 'partition', groups: [] },
    { verb: 'partition', groups: [[]] },
    { verb: 'clock', node: 'node1', ms: Number.NaN },
  ]) {
    throwsCode(() => parseAct(value), 'invalid-argument')
  }
})

const STATE: ControlState = { directory: '/somewhere', nodes: [], links: [], done: [] }

function app(performed: Act[] = []) {
  return createControlApp({
    token: 'right',
    state: async () => STATE,
    perform: async (act): Promise<Done> => {
      if (act.verb === 'kill') throw new EpioneError('node-stopped', 'It does not run.')
      performed.push(act)
      return { atMs: 1, tookMs: 2, act, what: describeAct(act), error: null }
    },
  })
}

const withToken = { authorization: 'Bearer right' }
const post = (act: unknown, headers: Record<string, string> = withToken) => ({ method: 'POST', headers, body: JSON.stringify(act) })

test('who has the token sees what is and has things done; errors say their code', async () => {
  const performed: Act[] = []
  const control = app(performed)
  const state = await control.request('/v1/state', { headers: withToken })
  assert.equal([state.status, await state.json()], [200, STATE])
  const done = await control.request('/v1/acts', post({ verb: 'heal' }))
  assert.is(done.status, 200)
  const answer = (await done.json()) as { done: Done; state: ControlState }
  assert.equal([answer.done.what, answer.state, performed], ['heal', STATE, [{ verb: 'heal' }]])
  for (const [act, status, code] of [
    [{ verb: 'kill', node: 'node1' }, 409, 'node-stopped'],
    [{ verb: 'burn' }, 400, 'invalid-argument'],
  ] as const) {
    const refused = await control.request('/v1/acts', post(act))
    assert.is(refused.status, status)
    assert.is(((await refused.json()) as { code: string }).code, code)
  }
  assert.is((await control.request('/v2', { headers: withToken })).status, 404)
  assert.is((await control.request('/v1/acts', post({ verb: 'x'.repeat(20_000) }))).status, 413)
})

test('who has not is told nothing and does nothing', async () => {
  const performed: Act[] = []
  const control = app(performed)
  const tries: Record<string, string>[] = [{}, { authorization: 'Bearer wrong' }, { authorization: 'right' }]
  for (const headers of tries) {
    for (const [path, init] of [
      ['/v1/state', { headers }],
      ['/v1/acts', post({ verb: 'heal' }, headers)],
      ['/elsewhere', { headers }],
    ] as const) {
      const answer = await control.request(path, init)
      assert.is(answer.status, 401)
      assert.not.match(await answer.text(), 'somewhere')
    }
  }
  assert.equal(performed, [])
})

test.run()
