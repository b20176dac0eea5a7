/** Health and metrics of nodes that run: what they count, whom they name, and when they are not ready. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { listVersions, readVersions } from '../../src/client/get.ts'
import { putRecords } from '../../src/client/put.ts'
import { openOwnSession } from '../../src/client/session.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Readiness } from '../../src/gateway/operations-app.ts'
import { OperationsServer } from '../../src/gateway/operations-server.ts'
import { runCli } from '../cli/run-cli.ts'
import { Cluster, eventually, nodeKeys, openFolder, organisationOf, textRecords } from '../node/cluster.ts'
import { type Exposition, readExposition, sampleOf } from './exposition.ts'

const test = suite('health and metrics of a node')
/** The node whose disk has no room. */
const FULL = 3

/** Serves a node's health and metrics for as long as it is used. */
async function operationsOf(cluster: Cluster, index: number) {
  const quiet = (): void => undefined
  const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet }
  const server = new OperationsServer({ host: '127.0.0.1', port: 0, token: null, version: '1' }, { node: cluster.node(index), logger })
  const url = await server.start()
  return {
    scrape: async (): Promise<Exposition> => readExposition(await (await fetch(`${url}/metrics`)).text()),
    readiness: async (): Promise<[number, Readiness]> => {
      const response = await fetch(`${url}/readyz`)
      return [response.status, (await response.json()) as Readiness]
    },
    [Symbol.asyncDispose]: async (): Promise<void> => await server.stop(),
  }
}

test('what nodes do is counted, custodians are named and nobody else is, and one whose disk has no room is not ready', async () => {
  await using cluster = await Cluster.start({ start: [0, 1, 2] })
  cluster.disk = { freeBytes: 2 ** 29, totalBytes: 2 ** 41 }
  await cluster.startNode(FULL)
  await cluster.connected()
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  const peer = await cluster.peer([0])
  const { address, wallet, owned } = await openFolder(peer, author, 'counted')
  const { submissionRoot, versions } = await putRecords(peer, author, address, textRecords(['one', 'two']))
  const session = await openOwnSession(peer, wallet, owned)
  const listed = await listVersions(peer, session)
  for await (const { content } of readVersions(peer, session, listed.versions)) for await (const _ of content);

  const all: Exposition[] = []
  for (const index of [0, 1, 2]) {
    await using operations = await operationsOf(cluster, index)
    all.push(await operations.scrape())
  }
  const sum = (name: string, labels?: Record<string, string>) => all.reduce((total, read) => total + (sampleOf(read, name, labels) ?? 0), 0)
  assert.is(sum('epione_uploads_total', { outcome: 'stored' }), 3)
  assert.equal([sum('epione_submissions'), sum('epione_fragments')], [3, 6])
  assert.is(sum('epione_upload_bytes_total'), sum('epione_fragment_bytes'))
  assert.ok(sum('epione_releases_total', { outcome: 'listed' }) >= 1)
  assert.ok(sum('epione_release_bytes_total') > 0)
  assert.ok(sum('epione_transactions_total') >= 3, 'a folder, an anchor, an access entry')
  assert.is(sum('epione_validators'), 12)

  await using operations = await operationsOf(cluster, FULL)
  const [code, { ready, reasons }] = await eventually(async () => {
    const answer = await operations.readiness()
    return cluster.node(FULL).status().state === 'ok' ? answer : null
  }, 'it is in agreement')
  assert.equal([code, ready, reasons.map(reason => reason.code)], [503, false, ['read-only']])
  const full = await operations.scrape()
  assert.equal([sampleOf(full, 'epione_ready'), sampleOf(full, 'epione_disk_read_only')], [0, 1])
  assert.is(sampleOf(full, 'epione_findings', { code: 'read-only' }), 1)
  assert.is(sampleOf(full, 'epione_uploads_total', { outcome: 'read-only' }), 1)
  const check = await runCli(['status', '--check', '--quiet', '--peer', cluster.addresses[FULL] as string])
  assert.is(check.code, 5)
  assert.match(check.stderr, /not ready: read-only/)
  assert.match(check.stdout, /error: The disk has .*\(read-only\)/)

  // Every custodian is named by account and organisation; what concerns the patient is in no line.
  all.push(full)
  const accounts = [0, 1, 2, 3].map(index => toHex(nodeKeys(index).account))
  for (const custodian of accounts) assert.is(sampleOf(full, 'epione_custodian_standing', { custodian, standing: 'present' }), 1)
  const known = new Set([...accounts, ...[0, 1, 2, 3].map(index => organisationOf(index).name)])
  for (const { name, labels } of all.flatMap(({ samples }) => samples)) {
    for (const value of Object.values(labels)) assert.ok(known.has(value) || value.length <= 32, `${name}: ${value}`)
    assert.ok(labels.custodian === undefined || known.has(labels.custodian), name)
  }
  const text = JSON.stringify(all)
  const secret = [address.id, submissionRoot, ...versions.map(({ recordId }) => recordId), session.entryId, author.signing.publicKey]
  for (const bytes of secret) assert.not.ok(text.includes(toHex(bytes).slice(0, 16)))
})

test.run()
