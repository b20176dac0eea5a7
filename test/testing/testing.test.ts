/** The testing entry as the author of an application uses it: public entries alone, and the whole way from enrolment to a refusal. */
import {
  diagnose,
  EpioneError,
  followRecords,
  generateWebCryptoKey,
  grantConsent,
  listRecords,
  openOwnSession,
  openSession,
  putRecords,
  readAccessLog,
  readRecord,
  recordHistory,
  revokeAndAdvance,
  waitUntilReady,
  webCryptoSigner,
} from 'epione/client'
import { createTestNetwork, enrolPatient, permitFor, textRecord } from 'epione/testing'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('epione/testing')
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

test('enrol, write, be told, share, read, revoke, refuse, and know who looked', async () => {
  await using net = await createTestNetwork({ seed: 3 })
  const [peer, abroad] = [await net.connect(), await net.connect([1, 2])]
  const [author, reader] = [await net.person('Dr Wanjiru'), await net.person('Dr Keller', { organisation: 1 })]
  const { wallet, owned, address } = await enrolPatient(peer, author)

  const stop = new AbortController()
  const next = followRecords(peer, [owned.id], { fromEvent: () => 1, signal: stop.signal }).next()
  const first = await putRecords(peer, author, address, [textRecord('potassium 4.1')])
  assert.is(first.anchored.status, 'committed')
  assert.equal((await next).value?.submissionRoot, first.submissionRoot)
  stop.abort()
  // What a third party checks: the receipt, the block that holds it, who signed that.
  const proven = await abroad.checkProof(first.anchored.proof)
  assert.equal([proven.height, proven.receipt.code], [first.anchored.height, 'ok'])
  const bent = first.anchored.proof.slice()
  bent[bent.length - 10] = (bent[bent.length - 10] as number) ^ 1
  assert.ok((await abroad.checkProof(bent).catch((error: unknown) => error)) instanceof EpioneError)

  const recordId = first.versions[0]?.recordId as Uint8Array
  await putRecords(peer, author, address, [{ ...textRecord('potassium 4.2, corrected'), recordId, version: 2 }, textRecord('sodium 140')])
  const own = await openOwnSession(peer, wallet, owned)
  const records = await listRecords(peer, own)
  assert.equal(records.map(({ version }) => version).sort(), [1, 2])
  assert.equal(
    (await recordHistory(peer, own, recordId)).map(({ version }) => version),
    [1, 2],
  )
  const newest = records.find(({ version }) => version === 2)
  assert.ok(newest)
  assert.is(text((await readRecord(peer, own, newest)).bytes), 'potassium 4.2, corrected')
  const tooLong = await readRecord(peer, own, newest, { maxBytes: 3 }).catch((error: unknown) => error)
  assert.ok(tooLong instanceof EpioneError && tooLong.code === 'too-large')

  const { share, consent } = await grantConsent(peer, wallet, owned, { sealingKey: reader.sealing.publicKey, provision: permitFor(reader) })
  const session = await openSession(abroad, reader, share)
  assert.is((await listRecords(abroad, session)).length, 2)
  await revokeAndAdvance(peer, wallet, owned, consent)
  const refused = await openSession(abroad, reader, share).catch((error: unknown) => error)
  assert.ok(refused instanceof EpioneError && refused.code === 'not-found')
  assert.is(refused.docs, 'docs/errors.md#not-found')
  assert.is(
    refused.walk(error => error === refused),
    refused,
  )
  assert.is(
    refused.walk(() => false),
    undefined,
  )
  const log = await readAccessLog(peer, wallet, owned)
  assert.equal(log.entries.map(({ opening }) => opening?.role).filter(role => role === 'physician').length, 1)
})

test('a peer says in plain words how it stands, and goes on when nodes go and come', async () => {
  await using net = await createTestNetwork()
  const peer = await net.connect()
  const good = await waitUntilReady(peer, { nodes: 4 })
  assert.equal([good.state, good.findings, good.nodes.length], ['ok', [], 4])
  assert.equal(good.nodes.map(({ organisation }) => organisation).sort(), net.organisations.map(({ name }) => name).sort())

  await net.stopNode(0)
  const hurt = await diagnose(peer, { timeoutMs: 2_000 })
  assert.is(hurt.state, 'degraded')
  assert.equal(
    hurt.findings.map(({ code }) => code),
    ['node-unreachable'],
  )
  assert.match(hurt.findings[0]?.message ?? '', net.organisations[0]?.name ?? '-')
  // Three of four are a quorum; what is asked goes to them.
  assert.is((await peer.members()).length, 4)

  for (const index of [1, 2, 3]) await net.stopNode(index)
  const gone = await diagnose(peer, { timeoutMs: 2_000 })
  assert.equal([gone.state, gone.findings.map(({ code }) => code)], ['down', ['no-node-answers']])
  const late = await waitUntilReady(peer, { timeoutMs: 100 }).catch((error: unknown) => error)
  assert.ok(late instanceof EpioneError && late.code === 'not-ready')

  for (const index of [0, 1, 2, 3]) await net.startNode(index)
  assert.is((await waitUntilReady(peer, { nodes: 4 })).state, 'ok')
})

test('a key that WebCrypto keeps signs for a person, and a signer that gives something else is found out', async () => {
  await using net = await createTestNetwork({ seed: 5 })
  const peer = await net.connect()
  const pair = await generateWebCryptoKey()
  assert.is(pair.privateKey.extractable, false)
  const signer = await webCryptoSigner(pair)
  const author = { ...(await net.person('Dr Otieno')), signing: signer }
  await net.vouch(author)
  const { owned, wallet, address } = await enrolPatient(peer, author)
  const written = await putRecords(peer, author, address, [textRecord('by a key that nobody can take along')])
  assert.is(written.status, 'written')
  const own = await openOwnSession(peer, wallet, owned)
  const [record] = await listRecords(peer, own)
  assert.ok(record)
  assert.equal((await readRecord(peer, own, record)).header.author.key, signer.publicKey)

  const liar = { ...author, signing: { publicKey: signer.publicKey, sign: async () => new Uint8Array(64) } }
  const refused = await putRecords(peer, liar, address, [textRecord('never')]).catch((error: unknown) => error)
  assert.ok(refused instanceof EpioneError && refused.code === 'signer-failed')
})

test('what cannot be made is refused', async () => {
  for (const organisations of [3, 8, 4.5]) {
    const error = await createTestNetwork({ organisations }).catch((thrown: unknown) => thrown)
    assert.ok(error instanceof EpioneError && error.code === 'invalid-argument')
  }
})

test.run()
