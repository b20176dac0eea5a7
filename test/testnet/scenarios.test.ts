/** Scenarios as files: what is read, what is refused and where, and what the seed makes. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EpioneError } from '../../src/encoding/errors.ts'
import { BROKEN_BUILDS, LIE_EDITS } from '../../testnet/faults/edits.ts'
import { applyEdits } from '../../testnet/faults/load-hook.ts'
import { LIES } from '../../testnet/faults/modes.ts'
import { readScenario, scenarioNames } from '../../testnet/scenarios/catalogue.ts'
import { parseScenario } from '../../testnet/scenarios/manifest.ts'
import { randomScenario, scenarioText } from '../../testnet/scenarios/random.ts'
import { throwsCode } from '../encoding/throws.ts'

const test = suite('scenarios')

const SOURCES = join(import.meta.dirname, '..', '..', 'src')

test('the catalogue is read whole, each under its own name, and nothing of what can go wrong is left out', () => {
  const names = scenarioNames()
  assert.ok(names.length >= 12, String(names.length))
  const all = names.map(readScenario)
  assert.equal(
    all.map(({ id }) => id),
    names,
  )
  const text = JSON.stringify(all)
  for (const verb of [
    'stop',
    'start',
    'restart',
    'kill',
    'pause',
    'resume',
    'partition',
    'heal',
    'delay',
    'drop',
    'clock',
    'disk-full',
    'slow-disk',
    'byzantine',
  ])
    assert.match(text, `"verb":"${verb}"`)
  for (const lie of LIES) assert.match(text, `"mode":"${lie}"`)
})

const GOOD = `
id: mine
title: A scenario of a test.
steps:
  - wait: 1s
  - do: { verb: kill, node: node1 }
  - expect: { blocks: { within: 5s } }
`

test('times have units, and what is left out has its usual value', () => {
  const { network, steps, timeout, load } = parseScenario(GOOD)
  assert.equal([network.validators, network.heartbeat, timeout, load?.rate], [4, 2_000, 300_000, 10])
  assert.equal(steps[0], { wait: 1_000 })
  assert.equal(steps[2], { expect: { blocks: { more: 2, on: 'all', within: 5_000 } } })
})

test('what is wrong is told with its line and its path', () => {
  for (const [from, to, says] of [
    ['wait: 1s', 'wait: 1', /line 5, steps\.0\.wait/],
    ['verb: kill', 'verb: burn', /line 6, steps\.1\.do/],
    ['node: node1', 'node: ../node1', /line 6, steps\.1\.do\.node: a node is/],
    ['within: 5s', 'within: 5 years', /line 7, steps\.2\.expect\.blocks\.within: a time has a unit/],
    ['blocks:', 'blocksy:', /line 7, steps\.2\.expect/],
    ['id: mine', 'id: MINE', /line 2, id/],
    ['steps:', 'stepps:', /stepps/],
    ['id: mine', 'id: [', /not YAML/],
  ] as const) {
    try {
      parseScenario(GOOD.replace(from, to))
      assert.unreachable(to)
    } catch (error) {
      assert.ok(error instanceof EpioneError, String(error))
      assert.is(error.code, 'scenario-invalid')
      assert.match(error.message, says)
    }
  }
  throwsCode(() => parseScenario(`${GOOD}\n#${'x'.repeat(70_000)}`), 'scenario-invalid')
  throwsCode(() => readScenario('no-such-scenario'), 'scenario-missing')
})

test('a seed makes one scenario, which can be written down and read again', async () => {
  const texts = new Set<string>()
  for (let seed = 0; seed < 60; seed++) {
    const manifest = randomScenario(seed)
    assert.equal(randomScenario(seed), manifest)
    const text = await scenarioText(manifest)
    assert.equal(parseScenario(text), manifest)
    texts.add(text.replace(/^.*seed.*$|^id:.*$/gm, ''))
  }
  assert.ok(texts.size > 50, String(texts.size))
})

test('what lies and broken builds replace stands in the sources exactly once', () => {
  for (const edits of [LIE_EDITS, ...BROKEN_BUILDS.map(each => [...LIE_EDITS, ...each.edits])]) {
    for (const [file, own] of Map.groupBy(edits, each => each.file)) {
      const source = readFileSync(join(SOURCES, `${file}.ts`), 'utf8')
      assert.is.not(applyEdits(source, own), source)
    }
  }
  assert.throws(() => applyEdits('a a', [{ file: 'x', find: 'a', replace: 'b' }]), /stands 2 times/)
  for (const { foundBy } of BROKEN_BUILDS) assert.ok(scenarioNames().includes(foundBy.scenario))
})

test.run()
