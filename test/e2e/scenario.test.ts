/** A scenario from a file on real processes: it holds; and where every node is a build that is wrong on purpose, it fails and says why. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { BROKEN_VARIABLE } from '../../testnet/faults/variables.ts'
import type { ScenarioReport } from '../../testnet/scenarios/run.ts'
import { runCli } from '../cli/run-cli.ts'

const test = suite('scenarios on real processes')
const dir = mkdtempSync(join(tmpdir(), 'epione-scenario-'))
test.after(() => rmSync(dir, { recursive: true, force: true }))

const FILE = join(dir, 'mine.yaml')
writeFileSync(
  FILE,
  `
id: mine
title: A hospital goes and comes back, one lies to light peers, and a consent ends.
timeout: 2m
choose: { gone: validator, liar: validator }
liars: [$liar]
load: { rate: 8, mix: { anchors: 4, writes: 1, grants: 1, reads: 1, searches: 1 } }
steps:
  - do: { verb: byzantine, node: $liar, mode: forge }
  - expect: { lie_noticed: { of: $liar, about: headers } }
  - do: { verb: byzantine, node: $liar, mode: honest }
  - expect: { revocation: { blocks: 2 } }
  - do: { verb: kill, node: $gone }
  - expect: { blocks: { on: { but: $gone }, within: 20s } }
  - do: { verb: start, node: $gone }
  - expect: { agreement: { within: 30s } }
  - expect: { acknowledged_kept: { at_least: 5 } }
`,
)

test('what holds ends with 0, and its report has every step, invariant and latency', async () => {
  const net = join(dir, 'net')
  const { code, stdout, stderr } = await runCli(['testnet', 'run', FILE, '--seed', '4', '--dir', net, '--json'])
  assert.is(code, 0, stderr)
  const { held, runs } = JSON.parse(stdout) as { held: boolean; runs: { report: ScenarioReport }[] }
  assert.ok(held)
  const report = JSON.parse(readFileSync(join(net, 'scenario.json'), 'utf8')) as ScenarioReport
  assert.equal(runs[0]?.report, report)
  assert.equal([report.held, report.cause, report.steps.length], [true, null, 9])
  assert.is(new Set(Object.values(report.chosen)).size, 2)
  assert.ok(report.invariants.length >= 4 && report.invariants.every(invariant => invariant.held))
  assert.ok((report.load?.operations.anchors?.latency.count ?? 0) > 3)
})

test('a build that ignores revocations is found, by the sentence that names it', async () => {
  const { code, stderr } = await runCli(['testnet', 'run', FILE, '--seed', '4', '--dir', join(dir, 'broken')], {
    env: { [BROKEN_VARIABLE]: 'revocation-ignored' },
  })
  assert.is(code, 1, stderr)
  assert.match(stderr, /error: mine: A revoked consent was honoured: \d+ bytes/)
  assert.ok(stderr.includes(`To repeat it: epione testnet run ${FILE} --seed 4 --keep (scenario-failed)`), stderr)
})

test.run()
