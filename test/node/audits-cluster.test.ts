/** Audits among nodes: who is gone leaves the set of custodians, who is back comes back, who lost its bytes is seen. */
import { rm } from 'node:fs/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readCustodians } from '../../src/client/custodians.ts'
import { putRecords } from '../../src/client/put.ts'
import { type AuditRecord, auditRecordCodec } from '../../src/contracts/audits-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { latestCustodians } from '../../src/node/directory.ts'
import { homePaths } from '../../src/node/home.ts'
import { Cluster, eventually, nodeKeys, openFolder, organisationOf, textRecords } from './cluster.ts'

const test = suite('audits among nodes')
const NODES = 5
const GONE = 4
const WIPED = 3

const isCustodian = (cluster: Cluster, index: number): boolean =>
  latestCustodians(cluster.node(0).chain.tip.tree).custodians.some(({ id }) => equalBytes(id, nodeKeys(index).account))

function recordOf(cluster: Cluster, index: number): AuditRecord | undefined {
  const value = cluster.node(0).chain.tip.tree.get(stateKey.audit(nodeKeys(index).account))
  return value === undefined ? undefined : auditRecordCodec.decode(value)
}

test('a stopped custodian becomes absent and comes back after its restart; one that lost its disk is seen to miss', async () => {
  await using cluster = await Cluster.start({ founders: NODES, parameters: { auditWindowMs: 2_000 } })
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  const peer = await cluster.peer([0])
  const folder = await openFolder(peer, author, 'audited')
  // As many as leave no custodian without a fragment: each submission passes over one of five.
  for (let i = 0; i < 6; i++) await putRecords(peer, author, folder.address, textRecords([`one ${i}`, `two ${i}`]))
  await cluster.agree()

  await cluster.stopNode(GONE)
  await eventually(() => !isCustodian(cluster, GONE), 'the stopped custodian is absent')
  assert.is(recordOf(cluster, GONE)?.standing, 'absent')
  for (const index of [0, 1, 2, 3]) assert.ok(isCustodian(cluster, index), `custodian ${index} stays`)
  // Fragments of what is written now are placed without it.
  const later = await cluster.peer([1])
  await putRecords(later, author, folder.address, textRecords(['without it']))

  const { custodians } = await readCustodians(later)
  assert.equal(custodians.map(({ id, standing }) => [equalBytes(id, nodeKeys(GONE).account), standing]).sort(), [
    ...Array.from({ length: 4 }, () => [false, 'present']),
    [true, 'absent'],
  ])
  const gone = custodians.find(({ standing }) => standing === 'absent')
  assert.ok(gone !== undefined && gone.missed > 0 && gone.missed <= gone.asked && gone.since > 0)

  await cluster.startNode(GONE)
  await eventually(() => isCustodian(cluster, GONE), 'it came back')
  assert.is(recordOf(cluster, GONE)?.standing, 'present')

  const before = recordOf(cluster, WIPED)?.missed ?? 0
  await cluster.stopNode(WIPED)
  const paths = homePaths(cluster.home(WIPED))
  for (const path of [paths.custody, paths.fragments]) await rm(path, { recursive: true })
  await cluster.startNode(WIPED)
  const warned = (): boolean =>
    cluster.log.some(({ node, message }) => node !== WIPED && message === 'a custodian lost what it ought to hold')
  await eventually(warned, 'its losses are noticed')
  await eventually(
    () => (recordOf(cluster, WIPED)?.missed ?? 0) > before && isCustodian(cluster, WIPED),
    'they are on the ledger, and it stays',
  )
  // The operators of the others see who it is.
  const account = toHex(nodeKeys(WIPED).account)
  const told = [0, 1, 2].flatMap(index =>
    cluster
      .node(index)
      .activity()
      .custodians.filter(custodian => custodian.account === account),
  )
  assert.ok(told.some(({ challenges }) => (challenges.lost ?? 0) > 0))
  assert.ok(told.every(({ name }) => name === organisationOf(WIPED).name))
})

test.run()
