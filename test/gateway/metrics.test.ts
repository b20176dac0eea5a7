/** What a node's metrics say, that they are documented, and that what is in them is bounded. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { METRICS, MetricsCollector } from '../../src/gateway/metrics-collector.ts'
import { ProcessWatch } from '../../src/gateway/process-watch.ts'
import { readExposition, sampleOf } from './exposition.ts'
import { LIAR, snapshotOf } from './snapshot.ts'

const test = suite('metrics of a node')
const scrape = async (snapshot = snapshotOf()) => readExposition(await new MetricsCollector(() => snapshot).text())

test('all that the node says of itself comes out, under one prefix, each metric with type and sentence', async () => {
  const read = await scrape()
  for (const { name, type, help } of METRICS) assert.equal([read.types.get(name), read.helps.get(name)], [type, help], name)
  assert.is(read.types.size, METRICS.length)
  assert.ok([...read.types.keys()].every(name => name.startsWith('epione_')))
  const expected: [string, Record<string, string>, number][] = [
    ['epione_info', { version: '0.1.0', network: 'test' }, 1],
    ['epione_ready', {}, 1],
    ['epione_state', { state: 'ok' }, 1],
    ['epione_state', { state: 'halted' }, 0],
    ['epione_height', {}, 7],
    ['epione_network_height', {}, 8],
    ['epione_block_age_seconds', {}, 1.5],
    ['epione_round', {}, 2],
    ['epione_height_open_seconds', {}, 4],
    ['epione_voting', {}, 1],
    ['epione_consensus_dropped_total', { reason: 'malformed' }, 3],
    ['epione_validators', {}, 3],
    ['epione_validators_weight', {}, 3],
    ['epione_validators_reached_weight', {}, 2],
    ['epione_validator_connected', { validator: 'Lakeside "Hospital"' }, 1],
    ['epione_validator_connected', { validator: 'Serra\\Hospital\nRio' }, 0],
    ['epione_peers', { kind: 'member' }, 3],
    ['epione_peers', { kind: 'other' }, 2],
    ['epione_pool_transactions', {}, 4],
    ['epione_disk_read_only', {}, 0],
    ['epione_fragment_quota_bytes', {}, 5_000],
    ['epione_uploads_total', { outcome: 'read-only' }, 1],
    ['epione_releases_total', { outcome: 'not-found' }, 2],
    ['epione_repairs_failed_total', { code: 'timeout' }, 1],
    ['epione_scrub_damaged_total', {}, 1],
    ['epione_erasures_pending', {}, 1],
    ['epione_announcements_total', { outcome: 'made' }, 6],
    ['epione_cpu_seconds_total', { mode: 'user' }, 1.5],
    ['epione_event_loop_lag_seconds', { of: 'p99' }, 0.01],
  ]
  for (const [name, labels, value] of expected) assert.is(sampleOf(read, name, labels), value, `${name} ${JSON.stringify(labels)}`)
})

test('a custodian that lies is named', async () => {
  const read = await scrape()
  const liar = { custodian: LIAR, name: 'Spree' }
  assert.is(sampleOf(read, 'epione_challenges_total', { ...liar, outcome: 'wrong' }), 8)
  assert.is(sampleOf(read, 'epione_custodian_audits_total', liar), 40)
  assert.is(sampleOf(read, 'epione_custodian_audits_missed_total', liar), 30)
  assert.is(sampleOf(read, 'epione_custodian_standing', { ...liar, standing: 'absent' }), 1)
  assert.is(sampleOf(read, 'epione_custodian_standing', { ...liar, standing: 'present' }), 0)
  assert.is(sampleOf(read, 'epione_helper_failures_total', { ...liar, code: 'wrong-sum' }), 1)
})

test('what is not known is left out, and nothing of an earlier scrape stays', async () => {
  let snapshot = snapshotOf({ findings: [{ code: 'stale', severity: 'warning', message: '', action: '', forMs: null }] })
  let now = 0
  const collector = new MetricsCollector(
    () => snapshot,
    () => now,
  )
  const before = readExposition(await collector.text())
  assert.is(sampleOf(before, 'epione_findings', { code: 'stale', severity: 'warning' }), 1)
  assert.is(sampleOf(before, 'epione_ledger_bytes'), undefined)
  snapshot = snapshotOf({ consensus: null, storage: { ...snapshot.status.storage, disk: null } })
  snapshot.activity.custodians.pop()
  now = 999
  assert.is(sampleOf(readExposition(await collector.text()), 'epione_findings', { code: 'stale' }), 1, 'within a second it is the same')
  now = 1_000
  const after = readExposition(await collector.text())
  for (const name of ['epione_findings', 'epione_round', 'epione_voting', 'epione_disk_free_bytes', 'epione_consensus_dropped_total']) {
    assert.is(after.samples.filter(sample => sample.name === name).length, 0, name)
  }
  assert.not.ok(after.samples.some(({ labels }) => labels.custodian === LIAR))
  assert.is(sampleOf(after, 'epione_blocks_total'), 7, 'a counter is the count, however often it is asked for')
})

test('scrapes at the same time share one collection, and one that failed is tried anew', async () => {
  let collections = 0
  let fails = false
  let now = 0
  const collector = new MetricsCollector(
    () => {
      collections++
      if (fails) throw new Error('the store is closed')
      return snapshotOf()
    },
    () => now,
  )
  const [one, two] = await Promise.all([collector.text(), collector.text()])
  assert.equal([collections, one === two], [1, true])
  fails = true
  now = 2_000
  await collector.text().then(
    () => assert.unreachable(),
    () => undefined,
  )
  fails = false
  assert.ok((await collector.text()).length > 1000)
})

test('labels are of members and of codes', () => {
  const allowed = new Set(['version', 'network', 'state', 'code', 'severity', 'reason', 'validator', 'kind', 'outcome', 'mode', 'of'])
  for (const name of ['custodian', 'name', 'standing']) allowed.add(name)
  for (const { name, labels } of METRICS) for (const label of labels) assert.ok(allowed.has(label), `${name} has the label ${label}`)
})

test('each metric is documented, and each that is documented is there', () => {
  const readme = readFileSync(join(import.meta.dirname, '..', '..', 'src', 'gateway', 'README.md'), 'utf8')
  const rows = [...readme.matchAll(/^\| `(epione_\w+)` \| (\w+) \| (.*?) \| (.+) \|$/gm)].map(([, name, type, labels, meaning]) => ({
    name,
    type,
    labels: [...(labels ?? '').matchAll(/`(\w+)`/g)].map(([, label]) => label),
    help: meaning,
  }))
  assert.equal(
    rows,
    METRICS.map(({ name, type, labels, help }) => ({ name, type, labels: [...labels], help })),
  )
})

test('names say what they are of', () => {
  assert.is(new Set(METRICS.map(({ name }) => name)).size, METRICS.length)
  for (const { name, type, help } of METRICS) {
    assert.match(name, /^epione_[a-z0-9_]+$/)
    assert.is(name.endsWith('_total'), type === 'counter', name)
    assert.ok(/^[A-Z0-9]/.test(help) && !help.endsWith('.'), help)
  }
})

test('the process is measured: its CPU, its memory, and a loop that was held up', async () => {
  const watch = new ProcessWatch()
  assert.is(watch.report().lagSeconds, null, 'nothing was looked at yet')
  watch.start()
  try {
    for (;;) {
      // Holds the loop up, then lets it go on, several times between two reports: the first look after a report measures nothing yet.
      for (let round = 0; round < 4; round++) {
        const until = performance.now() + 60
        while (performance.now() < until);
        await new Promise(resolve => setTimeout(resolve, 30))
      }
      const { lagSeconds, userSeconds, residentBytes, heapBytes } = watch.report()
      if (lagSeconds === null || lagSeconds.longest < 0.02) continue
      assert.ok(lagSeconds.median <= lagSeconds.p99 && lagSeconds.p99 <= lagSeconds.longest, JSON.stringify(lagSeconds))
      assert.ok(userSeconds > 0 && residentBytes > heapBytes && heapBytes > 1e6)
      break
    }
  } finally {
    watch.stop()
  }
})

test.run()
