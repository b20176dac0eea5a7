/** A reader's metrics: what they say, that they are documented, and that no custodian writes into them what it likes. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { formatMetrics, READER_METRICS } from '../../src/client/metrics.ts'
import { Standings } from '../../src/client/standings.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { readExposition, sampleOf } from '../gateway/exposition.ts'
import { seedOf } from '../node/cluster.ts'

const test = suite('metrics of a reader')
const member = (name: string) => ({ id: seedOf(name), organisation: { name } })

test('what custodians did is there by name; what is not known is left out', () => {
  const standings = new Standings(() => 0)
  const [good, liar] = [member('Lake "A"\n'), member('Coast\\')]
  standings.asked(good)
  standings.answered(good, 250)
  standings.served(good, 1_000_000, 500)
  standings.delivered(good)
  for (const code of ['corrupt-fragment', 'invalid-proof', 'malformed', 'too-slow', 'connection-lost', 'behind', 'Amina"} 1']) {
    standings.asked(liar)
    standings.failed(liar, code, true)
  }
  standings.failed(liar, 'not-found', true)
  standings.failed(liar, 'not-found', false)
  const read = readExposition(formatMetrics(standings.list()))
  const of = (name: string, who: typeof good, labels = {}) =>
    sampleOf(read, `epione_reader_${name}`, { custodian: toHex(who.id), name: who.organisation.name, ...labels })
  assert.equal([of('asked_total', good), of('bytes_total', good), of('first_byte_seconds', good)], [1, 1_000_000, 0.25])
  assert.equal([of('bytes_per_second', good), of('outcomes_total', good, { outcome: 'served' })], [2_000_000, 1])
  assert.equal([of('first_byte_seconds', liar), of('bytes_per_second', liar)], [undefined, undefined])
  const outcomes = ['served', 'wrong', 'late', 'not-found', 'unreachable', 'other'].map(outcome => of('outcomes_total', liar, { outcome }))
  assert.equal(outcomes, [0, 3, 1, 1, 1, 3])
  assert.not.match(JSON.stringify(standings.list().map(({ failures }) => failures)), 'Amina')
})

test('without custodians there are names and types alone', () => {
  const { samples, types } = readExposition(formatMetrics([]))
  assert.equal([samples.length, types.size], [0, READER_METRICS.length])
})

test('each metric is documented, and each that is documented is there', () => {
  const readme = readFileSync(join(import.meta.dirname, '..', '..', 'src', 'client', 'details.md'), 'utf8')
  assert.equal(
    [...readme.matchAll(/^\| `(epione_reader_\w+)` \| (\w+) \| (.+) \|$/gm)].map(([, name, type, help]) => ({ name, type, help })),
    READER_METRICS.map(({ name, type, help }) => ({ name, type, help })),
  )
})

test.run()
