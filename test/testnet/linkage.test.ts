/** What the ledger tells of which folders are one person's: measured by an attacker who learns from another life. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatTable, runLinkage } from '../../testnet/linkage/linkage.ts'

const input = { people: 60, days: 20, seed: 7 }

test('an observer of the whole ledger links folders by nothing that the formats hold, and by times within the stated bounds', () => {
  const rows = runLinkage(input)
  process.stdout.write(formatTable(input, rows))
  assert.ok((rows[0]?.folders ?? 0) > 80, 'enough folders to measure anything')
  for (const row of rows)
    assert.ok(row.within, `${row.source}: ${row.advantage} (repeat with: npm run linkage -- --people 60 --days 20 --seed 7)`)
  const bare = rows.find(row => !row.protected && row.source === 'readings')
  assert.ok((bare?.advantage ?? 0) > 0.6, `the attacker is a good one, and links most folders where nothing is done: ${bare?.advantage}`)
})

test.run()
