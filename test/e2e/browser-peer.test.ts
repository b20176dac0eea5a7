/** A light peer in a real browser: it verifies from genesis, writes, reads, shares, is told of a read, and revokes, while a node is killed under it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { listVersions, readVersions } from '../../src/client/get.ts'
import { decodeShare, personFromSeeds } from '../../src/client/identity.ts'
import { createLightPeer } from '../../src/client/light-peer.ts'
import { openSession } from '../../src/client/session.ts'
import { genesisCodec } from '../../src/contracts/members-formats.ts'
import { randomBytes } from '../../src/crypto/random.ts'
import { concat, toHex } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { bundle, clientFiles, openPage } from '../../testnet/browser/chromium.ts'
import { createTestnet } from '../../testnet/launcher/testnet.ts'
import type { PeerPage } from './browser/peer-page.ts'

const test = suite('a light peer in a browser')
const ATTACHMENT_BYTES = 5_000_000
const dir = mkdtempSync(join(tmpdir(), 'epione-browser-peer-'))
test.after(() => rmSync(dir, { recursive: true, force: true }))

declare const page: PeerPage

const script = await bundle(join(import.meta.dirname, 'browser', 'peer-page.ts'))
const opened = await openPage(script.script, await clientFiles())
const reason = 'reason' in opened ? opened.reason : undefined
if (reason !== undefined) process.stdout.write(`» skipped, for no browser starts here: ${reason.replaceAll('\n', ' / ')}\n`)

test('its bundle has the browser’s platform in the place of Node’s, and nothing of Node', () => {
  const platforms = script.inputs.filter(path => /^src\/.*platform/.test(path)).sort()
  assert.equal(
    platforms,
    ['client', 'crypto', 'encoding', 'ledger', 'network'].map(room => `src/${room}/platform.browser.ts`),
  )
  assert.equal(
    script.imports.filter(({ external }) => external),
    [],
  )
})

const inBrowser = 'reason' in opened ? test.skip : test
inBrowser('from genesis to a refusal, with a node killed on the way', async () => {
  if ('reason' in opened) return
  const { page: tab, errors } = opened
  await using net = await createTestnet({ dir: join(dir, 'net'), validators: 4 })
  await tab.waitForFunction(() => document.title === 'ready')
  assert.ok(await tab.evaluate(() => page.isStrict), 'the page may run no text as code, and WebAssembly all the same')
  const sockets = net.nodes.map(({ addresses }) => addresses[1] as string)
  // One address is enough: the others are learnt.
  const connected = await tab.evaluate(input => page.connect(input), {
    nodes: sockets.slice(0, 1),
    genesis: toHex(genesisCodec.encode(net.genesis)),
  })
  assert.equal([connected.members, connected.stale], [4, false])
  assert.ok(connected.height >= 1)

  const { organisation, role, signingSeed, sealingSeed } = net.registrar(0)
  const person = { organisation: toHex(organisation), role, signingSeed: toHex(signingSeed), sealingSeed: toHex(sealingSeed) }
  const identity = await tab.evaluate(() => page.identity())
  assert.not.ok(identity.extractable, 'the key that signs for the clinician cannot be taken out of the browser')
  await net.addStaff(0, { key: identity.publicKey, role })
  const written = await tab.evaluate(input => page.write(input), { ...person, attachmentBytes: ATTACHMENT_BYTES })
  assert.equal([written.status, written.stored], ['written', 4])
  assert.equal(await tab.evaluate(() => page.vault()), { same: true, wrong: 'wrong-passphrase', cleared: true })
  assert.equal(await tab.evaluate(() => page.outbox()), { names: ['000000000001', '000000000002'], bytes: '010203', left: [] })
  const device = await tab.context().newCDPSession(tab)
  await device.send('WebAuthn.enable')
  const options = {
    protocol: 'ctap2',
    ctap2Version: 'ctap2_1',
    transport: 'internal',
    hasResidentKey: true,
    hasUserVerification: true,
  } as const
  const able = { ...options, hasPrf: true, isUserVerified: true, automaticPresenceSimulation: true }
  const { authenticatorId } = await device.send('WebAuthn.addVirtualAuthenticator', { options: able })
  assert.equal(await tab.evaluate(() => page.passkey()), { same: true, other: 'passkey-unknown', ways: 1 })
  await device.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false })
  assert.is(await tab.evaluate(() => page.declined()), 'passkey-refused')
  await device.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId })
  await device.send('WebAuthn.addVirtualAuthenticator', { options: { ...able, hasPrf: false } })
  assert.is(await tab.evaluate(() => page.declined()), 'passkey-unsupported')
  const own = await tab.evaluate(() => page.read())
  assert.equal(own.map(({ mediaType }) => mediaType).sort(), ['application/dicom', 'application/fhir+json'])
  const scan = own.find(({ mediaType }) => mediaType === 'application/dicom')
  assert.equal([scan?.size, scan?.sha256], [ATTACHMENT_BYTES, written.sha256])

  const work = await tab.evaluate(() => page.work())
  assert.ok(work.running, 'the heavy work is done in a worker')
  assert.ok(work.offloaded > ATTACHMENT_BYTES / 131_072, `${work.offloaded} jobs`)

  // A clinician elsewhere, who is no browser.
  const seeds = { signingSeed: randomBytes(32), sealingSeed: randomBytes(32) }
  const reader = personFromSeeds({ organisation: net.nodes[1]!.account, role: 'physician', ...seeds })
  await net.addStaff(1, { key: toHex(reader.signing.publicKey), role: 'physician' })
  const grantee = {
    organisation: toHex(reader.organisation),
    signingKey: toHex(reader.signing.publicKey),
    sealingKey: toHex(reader.sealing.publicKey),
  }
  const shared = await tab.evaluate(input => page.share(input), grantee)
  // The node that the page talked to first goes; the reader and her hospital have the three others.
  await net.kill(0)
  await using abroad = await createLightPeer({
    nodes: net.nodes.slice(1).map(({ addresses }) => addresses[0] as string),
    genesis: net.genesis,
  })
  const seen = tab.evaluate(() => page.event('access.opened'))
  seen.catch(() => undefined)
  const session = await openSession(abroad, reader, decodeShare(shared.share))
  const { versions } = await listVersions(abroad, session)
  const hashes: string[] = []
  for await (const version of readVersions(abroad, session, versions)) {
    const parts: Uint8Array[] = []
    for await (const part of version.content) parts.push(part.slice())
    hashes.push(toHex(sha256(concat(...parts))))
  }
  assert.ok(hashes.includes(written.sha256), 'the reader has what the page wrote, byte for byte')
  assert.is((await seen).name, 'access.opened')

  const revoked = await tab.evaluate(consent => page.revoke(consent), shared.consent)
  assert.ok(revoked.height > shared.height)
  const refused = await openSession(abroad, reader, decodeShare(shared.share)).catch((error: unknown) => errorCode(error))
  assert.is(refused, 'not-found')
  const log = await tab.evaluate(() => page.log())
  assert.ok(log.some(({ role, purpose }) => role === 'physician' && purpose === 'TREAT'))
  const shot = join(process.env.EPIONE_ARTIFACTS ?? tmpdir(), 'epione-browser-peer.png')
  await tab.screenshot({ path: shot })
  // A browser complains by itself of a node that is gone.
  const gone = /WebSocket connection to .* failed/
  assert.equal(
    errors.filter(text => !gone.test(text)),
    [],
  )
  process.stdout.write(
    `» page: verified from genesis ${Math.round(connected.tookMs)} ms, enrolled ${Math.round(written.enrolMs)} ms, put 5 MB ${Math.round(written.putMs)} ms, read ${Math.round(scan?.tookMs ?? 0)} ms, longest task of the page's thread ${work.longestMs} ms, ${work.offloaded} jobs in the worker; screenshot ${shot}\n`,
  )
})

test.after(async () => {
  if (!('reason' in opened)) await opened[Symbol.asyncDispose]()
})

test.run()
