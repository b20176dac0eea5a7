/** The access log as evidence, over a network: judged by the owner and by an auditor with the file alone, forgeries included. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type AccessEvidence,
  collectAccessEvidence,
  decodeEvidence,
  encodeEvidence,
  judgeEvidence,
  judgeEvidenceOffline,
} from '../../src/client/access-evidence.ts'
import { auditEventsOf } from '../../src/client/audit-events.ts'
import { grantConsent, revokeConsent } from '../../src/client/consents.ts'
import { listVersions, readVersions } from '../../src/client/get.ts'
import { putRecords } from '../../src/client/put.ts'
import { openOwnSession, openSession } from '../../src/client/session.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { type ReleaseReceipt, releaseReceiptBytes, releaseReceiptCodec } from '../../src/fragments/formats.ts'
import { headerHash } from '../../src/ledger/header.ts'
import { queryResponseCodec } from '../../src/network/light-messages.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { Cluster, openFolder, organisationOf, permitTo, textRecords } from './cluster.ts'

const test = suite('the access log as evidence')

test('every receipt is covered by a line, and an auditor with the file comes to the same; what is forged is found', async () => {
  await using cluster = await Cluster.start()
  const [author, reader] = [cluster.person(0), cluster.person(1)]
  await cluster.staff(0, [author])
  await cluster.staff(1, [reader])
  const [authorPeer, readerPeer, patient] = [await cluster.peer([0]), await cluster.peer([1]), await cluster.peer([2, 0])]
  const { wallet, owned, address } = await openFolder(authorPeer, author, 'patient')
  await putRecords(authorPeer, author, address, textRecords(['one', 'two', 'three']))
  const grant = await grantConsent(patient, wallet, owned, { sealingKey: reader.sealing.publicKey, provision: permitTo(reader) })
  const session = await openSession(readerPeer, reader, grant.share)
  const { versions } = await listVersions(readerPeer, session)
  for await (const { content } of readVersions(readerPeer, session, versions.slice(0, 2))) for await (const _ of content);
  await openOwnSession(patient, wallet, owned)
  const revoked = await revokeConsent(patient, wallet, owned, grant.consent)

  const { evidence } = await collectAccessEvidence(patient, wallet, owned)
  const file = encodeEvidence(evidence)
  const online = await judgeEvidence(evidence, async commit => await patient.verifyCommit(commit))
  const offline = await judgeEvidenceOffline(decodeEvidence(file), cluster.genesis, { now: Date.now })
  for (const report of [online, offline]) {
    assert.equal([report.flawed.length, report.silent.length, report.entries.length], [0, 0, 2])
    assert.ok(report.receipts.length >= 4, 'two custodians at least gave the list and the contents')
    assert.equal([...new Set(report.receipts.flatMap(({ doubts }) => [...doubts]))], [], 'all times, consents and openings are shown')
    const [read, own] = report.entries
    assert.is(read?.organisation?.name, organisationOf(1).name)
    assert.ok(equalBytes(read?.opening?.reader ?? new Uint8Array(0), reader.signing.publicKey))
    assert.equal([own?.organisation, own?.opening, own?.receipts.length], [null, null, 0])
  }
  const bundle = await auditEventsOf(offline, { reader: () => 'Dr Otieno' })
  assert.is((bundle.entry as unknown[]).length, 2)
  assert.match(JSON.stringify(bundle), 'Dr Otieno')

  // The same file by a header that the auditor trusts instead of genesis; a year later genesis alone is not enough.
  const { commit } = queryResponseCodec.decode(evidence.proofs[0]?.answer as Uint8Array)
  const checkpoint = { height: commit.header.height, headerHash: headerHash(commit.header) }
  assert.is((await judgeEvidenceOffline(evidence, cluster.genesis, { now: Date.now, checkpoint })).flawed.length, 0)
  const later = (): number => Date.now() + 365 * 86_400_000
  await rejectsCode(judgeEvidenceOffline(evidence, cluster.genesis, { now: later }), 'unanchored')
  assert.is((await judgeEvidenceOffline(evidence, cluster.genesis, { now: later, checkpoint })).height, checkpoint.height)
  const wrong = { ...checkpoint, headerHash: new Uint8Array(32) }
  await rejectsCode(judgeEvidenceOffline(evidence, cluster.genesis, { now: Date.now, checkpoint: wrong }), 'invalid-header')

  // A custodian that released outside the log signs something that no line covers, or that the ledger had closed.
  const offlineFlaws = async (changed: AccessEvidence): Promise<(string | null)[]> =>
    (await judgeEvidenceOffline(changed, cluster.genesis, { now: Date.now })).flawed.map(({ flaw }) => flaw)
  const honest = releaseReceiptCodec.decode(evidence.receipts[0]?.receipt as Uint8Array)
  const liar = cluster.keys.find(({ account }) => equalBytes(account, honest.custodian))
  const with1 = (changes: Partial<ReleaseReceipt>): AccessEvidence => {
    const receipt = { ...honest, ...changes }
    const signature = liar?.signing.sign(releaseReceiptBytes(receipt)) as Uint8Array
    return { ...evidence, receipts: [...evidence.receipts, { receipt: releaseReceiptCodec.encode(receipt), signature }] }
  }
  assert.equal(await offlineFlaws(with1({})), [])
  assert.equal(await offlineFlaws(with1({ entry: new Uint8Array(32).fill(7) })), ['no-entry'])
  assert.equal(await offlineFlaws(with1({ height: 1 })), ['before-entry'])
  assert.equal(await offlineFlaws(with1({ height: revoked.height })), ['consent-ended'])
  assert.equal(await offlineFlaws(with1({ folder: new Uint8Array(32) })), ['bad-signature'])
  const blamed = { ...evidence, receipts: evidence.receipts.map(one => ({ ...one, signature: new Uint8Array(64) })) }
  assert.ok((await offlineFlaws(blamed)).every(flaw => flaw === 'bad-signature'))

  // The file cannot leave a line out, nor change one.
  for (const entries of [evidence.entries.slice(1), evidence.entries.slice(0, 1), [...evidence.entries].reverse()]) {
    await rejectsCode(judgeEvidenceOffline({ ...evidence, entries }, cluster.genesis, { now: Date.now }), 'invalid-proof')
  }
  await rejectsCode(judgeEvidenceOffline({ ...evidence, chainId: new Uint8Array(32) }, cluster.genesis, { now: Date.now }), 'other-chain')

  // Who does not answer is named.
  await cluster.stopNode(3)
  const partial = await collectAccessEvidence(patient, wallet, owned)
  const report = await judgeEvidence(partial.evidence, async one => await patient.verifyCommit(one))
  assert.equal(
    report.silent.map(({ name, custodian }) => [name, toHex(custodian)]),
    [[organisationOf(3).name, toHex(cluster.keys[3]?.account as Uint8Array)]],
  )
  assert.equal(cluster.errors(), [])
})

test.run()
