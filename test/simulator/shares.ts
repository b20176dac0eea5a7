/** The schedules of a test run, in shares that run side by side. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { describeTally, runSchedules } from '../../testnet/simulator/batch.ts'

/** Schedules of one share; there are two. */
export const SHARE = 5_000

/** Declares and runs the test of one share. Seeds are the same in every run, so that a failure is one of the code. */
export function runShare(share: number): void {
  const test = suite(`simulated schedules, share ${share}`)
  const first = share * SHARE + 1
  test(`whatever goes wrong in the schedules of seeds ${first} to ${first + SHARE - 1}: agreement, validity, no double signing, and recovery`, async () => {
    const startedAt = performance.now()
    const tally = await runSchedules(first, SHARE, { until: ({ failures }) => failures.length > 2 })
    const perMinute = Math.round((60_000 * tally.schedules) / (performance.now() - startedAt))
    const failures = tally.failures.flatMap(({ seed, violations }) =>
      violations.slice(0, 1).map(({ kind, what }) => `${kind}: ${what}; repeat it: npm run simulate -- --seed ${seed} --trace`),
    )
    assert.equal(failures, [])
    assert.is(tally.schedules, SHARE)
    // A run in which nothing went wrong would show nothing.
    assert.ok(
      tally.crashes > SHARE && tally.rounds >= 5 && tally.forks > 10 && tally.real > SHARE / 200 && tally.silences > 20,
      describeTally(tally),
    )
    // The bound is for the worst; most are through far sooner, or a slowdown would go unseen.
    assert.ok(tally.slow < SHARE / 50, `${tally.slow} recoveries took more than a quarter of the bound`)
    for (const kind of ['silent', 'selective', 'equivocate', 'amnesia', 'forge', 'propose', 'twins'] as const) {
      assert.ok((tally.liars[kind] ?? 0) > SHARE / 20, `${kind}: ${tally.liars[kind]}`)
    }
    console.log(`\n» ${describeTally(tally)}; ${perMinute} schedules per minute on one core`)
  })
  test.run()
}
