/** When a node is ready, and where its health may be served. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { STATES } from '../../src/node/diagnosis.ts'
import { isLoopback, parseEndpoint } from '../../src/node/endpoint.ts'
import { MemberTally } from '../../src/node/member-tally.ts'
import { NOT_READY, notReadyBecause } from '../../src/node/readiness.ts'
import { seedOf } from './cluster.ts'

const test = suite('readiness')
const finding = (code: string) => ({ code, message: `It is ${code}.` })

test('a state other than ok, and a disk without room, are reasons; what is merely remarkable is none', () => {
  const ok = { state: 'ok' as const, summary: '' }
  assert.equal(notReadyBecause({ ...ok, findings: [] }), [])
  assert.equal(notReadyBecause({ ...ok, findings: ['validator-unreachable', 'disk-nearly-full', 'joining'].map(finding) }), [])
  assert.equal(notReadyBecause({ ...ok, findings: [finding('clock-off'), finding('read-only')] }), [finding('read-only')])
  for (const code of Object.keys(STATES)) assert.ok(NOT_READY.has(code), code)
  const halted = { state: 'halted' as const, summary: 'It is halted.', findings: [finding('halted'), finding('stale')] }
  assert.equal(notReadyBecause(halted), [finding('halted'), finding('stale')])
})

test('a state without a finding, as an older node reports it, is a reason', () => {
  const old = { state: 'quorum-missing' as const, summary: 'No block can be made.', findings: [] }
  assert.equal(notReadyBecause(old), [{ code: 'quorum-missing', message: 'No block can be made.' }])
})

test('hosts and ports, and who reaches them', () => {
  const cases: [string, { host: string; port: number } | undefined, boolean?][] = [
    ['127.0.0.1:7790', { host: '127.0.0.1', port: 7790 }, true],
    ['127.9.9.9:0', { host: '127.9.9.9', port: 0 }, true],
    ['localhost:80', { host: 'localhost', port: 80 }, true],
    ['[::1]:7790', { host: '::1', port: 7790 }, true],
    ['[0:0:0:0:0:0:0:1]:1', { host: '0:0:0:0:0:0:0:1', port: 1 }, true],
    ['0.0.0.0:7790', { host: '0.0.0.0', port: 7790 }, false],
    ['[::]:7790', { host: '::', port: 7790 }, false],
    ['[::ffff:10.0.0.1]:1', { host: '::ffff:10.0.0.1', port: 1 }, false],
    ['10.1.2.3:65535', { host: '10.1.2.3', port: 65_535 }, false],
    ['127.0.0.1', undefined],
    ['127.0.0.1:65536', undefined],
    ['127.0.0.1:', undefined],
    ['example.org:80', undefined],
    ['127.0.0.1.example:80', undefined],
    ['[127.0.0.1]:80', undefined],
    ['[::1:80', undefined],
    ['http://127.0.0.1:80', undefined],
  ]
  for (const [text, endpoint, loopback] of cases) {
    assert.equal(parseEndpoint(text), endpoint, text)
    if (endpoint !== undefined) assert.is(isLoopback(endpoint.host), loopback, text)
  }
})

test('counts of members are bounded by as many as a network may have', () => {
  const tally = new MemberTally()
  for (let i = 0; i < 4_097; i++) tally.add(seedOf('member', i), 'silent')
  tally.add(seedOf('member', 0), 'wrong')
  assert.equal(tally.countsOf(seedOf('member', 0)), { silent: 1, wrong: 1 })
  assert.equal(tally.countsOf(seedOf('member', 4_095)), { silent: 1 })
  assert.equal(tally.countsOf(seedOf('member', 4_096)), {})
})

test.run()
