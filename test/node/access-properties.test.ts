/**
 * Over random histories of grants to people, roles and organisations, delegations, break-glass, owners' reads, revocations, rotations, moves,
 * erasures and crashes: nobody gets at plaintext without a consent (or an emergency) in force at the height in the custodians' receipts, every
 * read has its line, and a custodian that is behind, cut off or restored from a copy lets nothing go that has been closed for longer than the
 * bound. `EPIONE_HISTORIES` plays more of them.
 */
import { mock } from 'node:test'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { property, seededRandom } from '../encoding/seeded.ts'
import { History } from './access-history.ts'

const test = suite('who gets at what, over random histories')

const HISTORIES = Number(process.env.EPIONE_HISTORIES ?? 5)
/** Histories at one time: each waits most of its time, for refusals leave late. */
const SIDE_BY_SIDE = 6

/** What has to have happened, and how often at the least, over all histories: so that it is seen that something did. */
const LEAST = {
  ...{ end: 20, 'not-found': 40, stale: 1, behind: 1, receipts: 20, 'receipts of shares': 2, restarts: 1, restored: 1, eclipsed: 1 },
  ...{ 'read: consent': 5, 'read: owner': 1, 'read: emergency': 1 },
  ...{ 'key: person': 5, 'key: role': 1, 'key: organisation': 1, 'key: delegate': 1, 'key: emergency': 1 },
  ...{ decrypted: 1, 'not decrypted': 20, 'not decrypted together': 20 },
}

test(
  'nobody reads without a consent in force, every read has its line, and nothing goes on after the bound',
  property(async random => {
    const counts: Record<string, number> = {}
    const count = (what: string): void => {
      counts[what] = (counts[what] ?? 0) + 1
    }
    // The clock is the world's: whoever would wait for a block hears at once that it is not there.
    const timeout = mock.method(AbortSignal, 'timeout', () => AbortSignal.abort())
    try {
      for (let done = 0; done < HISTORIES; done += SIDE_BY_SIDE) {
        const together = Array.from({ length: Math.min(SIDE_BY_SIDE, HISTORIES - done) }, () => seededRandom(random.below(2 ** 32)))
        await Promise.all(together.map(async one => await History.run(one, count)))
      }
    } finally {
      timeout.mock.restore()
    }
    console.log(`\n» ${JSON.stringify(counts)}`)
    for (const [what, least] of Object.entries(LEAST)) assert.ok((counts[what] ?? 0) >= least, `${what}: ${counts[what] ?? 0}`)
  }),
)

test.run()
