/** What nodes say of themselves and of each other while something is wrong. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { statusLines, watchLine } from '../../cli/commands/status.ts'
import { readStatus } from '../../cli/reports.ts'
import type { NodeStatus } from '../../src/node/status.ts'
import { Cluster, eventually, lives } from './cluster.ts'

const test = suite('status')

function finding(status: NodeStatus, code: string, about = '') {
  return status.findings.find(other => other.code === code && other.message.includes(about))
}

test('a status names who is missing, whose clock is off, and what a halted round waits for', async () => {
  await using cluster = await Cluster.start()
  await lives(cluster, 'a')
  const [zero, one] = [cluster.node(0), cluster.node(1)]
  const healthy = await eventually(() => {
    const status = zero.status()
    return status.validators.every(({ clockOffsetMs, height }) => clockOffsetMs !== null && height !== null) ? status : null
  }, 'everybody has told its height and clock')
  assert.equal([healthy.state, healthy.findings], ['ok', []])
  assert.is(healthy.summary, 'In agreement with all validators.')

  // A machine comes back with its clock 600 ms ahead.
  await cluster.stopNode(3)
  await eventually(() => finding(zero.status(), 'validator-unreachable', 'Coast Hospital'), 'it is missed')
  cluster.clockOffsets[3] = 600
  await cluster.startNode(3)
  await eventually(() => finding(zero.status(), 'clock-of-validator-off', 'Coast Hospital'), 'the others see it')
  const own = await eventually(() => finding(cluster.node(3).status(), 'clock-off'), 'it sees it itself')
  assert.match(own.message, /ahead of the validators' median/)
  assert.is(finding(cluster.node(3).status(), 'clock-of-validator-off'), undefined)

  // Half of the validators go.
  await cluster.stopNode(3)
  await cluster.stopNode(2)
  const halted = await eventually(() => {
    const status = one.status()
    return status.state === 'quorum-missing' ? status : null
  }, 'the quorum is missed')
  assert.match(halted.summary, /Serra Hospital, Coast Hospital cannot be reached.* 50 % of the weight/)
  assert.is(halted.findings[0]?.forMs !== null, true)

  // What the node says is what the command reads and prints.
  const report = readStatus(JSON.parse(JSON.stringify(halted)))
  const lines = statusLines(report).join('\n')
  assert.match(lines, /state +quorum-missing: No block can be made/)
  assert.match(lines, /Serra Hospital +BR +1 +MISSING +\d+ /)
  assert.match(lines, /error: No block can be made.*\(quorum-missing, for /)
  assert.match(watchLine(report), /^height \d+.*, 2 of 4 validators, quorum-missing \[quorum-missing/)

  // They come back, and it says so.
  cluster.clockOffsets[3] = 0
  await cluster.startNode(2)
  await cluster.startNode(3)
  await eventually(() => cluster.running().every(node => node.status().state === 'ok'), 'all is well again')
  await lives(cluster, 'b')
})

test("an older node's report, without the newer fields, is read", async () => {
  await using cluster = await Cluster.start()
  await eventually(() => cluster.node(0).status().consensus, 'the engine runs')
  const { findings: _, joining: __, ...status } = JSON.parse(JSON.stringify(cluster.node(0).status()))
  for (const validator of status.validators) {
    for (const field of ['height', 'clockOffsetMs', 'clockUncertaintyMs', 'lastSeenMs', 'silentThrough']) delete validator[field]
  }
  for (const field of ['heightSinceMs', 'failedProposers', 'silentThrough', 'drops']) delete status.consensus[field]
  const report = readStatus(status)
  assert.equal(report.findings, [])
  assert.ok(statusLines(report).length > 10)
})

test.run()
