/** The report on a testnet: from what lies in its folder, in one file that needs no other. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Histogram } from '../../testnet/load/histogram.ts'
import { collectReport } from '../../testnet/report/collect.ts'
import { memoryOf } from '../../testnet/report/memory.ts'
import { reportPage } from '../../testnet/report/page.ts'
import { niceAbove, plot } from '../../testnet/report/plot.ts'
import { randomScenario } from '../../testnet/scenarios/random.ts'
import type { ScenarioReport } from '../../testnet/scenarios/run.ts'
import { throwsCode } from '../encoding/throws.ts'

const test = suite('report')
const dir = mkdtempSync(join(tmpdir(), 'epione-report-'))
test.after(() => rmSync(dir, { recursive: true, force: true }))

const node = {
  ...{ id: 'node1', name: 'Lakeside <Hospital> & "Sons"', jurisdiction: 'KE', validator: true, account: 'ab', peerId: '12D3' },
  ...{ addresses: [], home: dir, log: join(dir, 'log'), process: { pid: process.pid, start: 'x', startedAt: '' } },
}
const manifest = {
  ...{ schemaVersion: 1, network: 'testnet', chainId: 'c0ffee', seed: 7, basePort: 7700, validators: 1, full: 0 },
  ...{ directory: dir, genesis: '', passphraseFile: '', nodes: [node, { ...node, id: 'node2', process: null }] },
}
const latency = new Histogram()
for (let ms = 1; ms <= 100; ms++) latency.record(ms)
const scenario: ScenarioReport = {
  ...{
    schemaVersion: 1,
    id: 'mine',
    title: 'A <title>.',
    seed: 9,
    held: false,
    cause: 'node2 & node3 have different blocks',
    startedMs: 1_000,
    tookMs: 2_500,
  },
  ...{ chosen: { victim: 'node2' }, manifest: randomScenario(1) },
  steps: [
    { atMs: 100, tookMs: 5, kind: 'do', what: 'kill node2', held: true, note: '' },
    { atMs: 200, tookMs: 900, kind: 'expect', what: 'agreement', held: false, note: 'node2 & node3 have different blocks' },
  ],
  invariants: [{ name: 'one block at a height', held: false, note: '<b>' }],
  load: {
    ...{ schemaVersion: 1, seed: 9, mix: { anchors: 1 }, loop: { perSecond: 5 }, startedMs: 1_500, tookMs: 9_000, begun: 104, dropped: 0 },
    operations: { anchors: { done: 100, failed: { unreachable: 4 }, latency: latency.toJSON() } },
    seconds: [
      { done: 10, failed: 0, maxMs: 40 },
      { done: 0, failed: 4, maxMs: 0 },
      { done: 90, failed: 0, maxMs: 100 },
    ],
  },
}

test('it has what lies in the folder, and nothing of a line that a crash cut short', () => {
  throwsCode(() => collectReport(join(dir, 'elsewhere')), 'testnet-missing')
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'net.json'), JSON.stringify(manifest))
  assert.equal([collectReport(dir).scenario, collectReport(dir).acts, collectReport(dir).operations], [null, [], []])
  const done = { atMs: 5, tookMs: 3, act: { verb: 'kill', node: 'node2' }, what: 'kill node2', error: null }
  writeFileSync(join(dir, 'acts.jsonl'), `${JSON.stringify(done)}\n{"atMs":6,"too`)
  writeFileSync(join(dir, 'scenario.json'), JSON.stringify(scenario))
  const report = collectReport(dir)
  assert.equal(report.acts, [done])
  assert.equal(report.operations, [{ operation: 'anchors', done: 100, failed: { unreachable: 4 }, p50: 50, p95: 95, p99: 99, max: 100 }])
  assert.is(report.nodes[1]?.rssBytes, null)
  if (process.platform === 'linux') assert.ok((report.nodes[0]?.rssBytes ?? 0) > 1e6 && (report.nodes[0]?.cpuMs ?? 0) > 0)
  assert.equal(memoryOf({ pid: 2 ** 30 }), { rssBytes: null, cpuMs: null })
})

test('the page says the verdict and its cause, asks for nothing from elsewhere, and runs nothing', () => {
  const page = reportPage(collectReport(dir))
  assert.match(page, 'It did not hold: node2 &amp; node3 have different blocks')
  assert.match(page, 'Lakeside &lt;Hospital&gt; &amp; &quot;Sons&quot; (KE)')
  for (const text of ['<b>', '<script', ' src=', 'url(', '@import', 'http://', 'https://']) assert.not.ok(page.includes(text), text)
  assert.is(page.match(/<svg /g)?.length, 2)
  assert.match(page, /<path class="mark"/)
  assert.match(page, '4 unreachable')
})

test('a plot leaves gaps where there was nothing, and its scale is round', () => {
  assert.equal([0.3, 1, 1.1, 4, 99, 100, 101].map(niceAbove), [0.5, 1, 2, 5, 100, 100, 200])
  const svg = plot('Latency', 'ms', [{ name: 'a', colour: 'red', values: [1, null, 2, 3] }], [1, 99])
  assert.is(/ d="M([^"]*)"\/><text x="48"/.exec(svg)?.[1]?.includes('M'), true)
  assert.is(svg.match(/class="mark"/g)?.length, 1)
})

test.run()
