/** The examples of the documentation, as they are, against a network of processes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  checkReceiptsOffline,
  collectAccessEvidence,
  createLightPeer,
  decodeReceipts,
  encodeEvidence,
  genesisCodec,
  grantConsent,
  listRecords,
  openOwnSession,
  openSession,
  personFromSeeds,
  readRecord,
  revokeConsent,
  toHex,
} from 'epione/client'
import { enrolPatient, permitFor } from 'epione/testing'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createTestnet } from '../../testnet/launcher/testnet.ts'
import { waitFor } from '../../testnet/launcher/wait.ts'

const test = suite('examples')
const EXAMPLES = join(import.meta.dirname, '..', '..', 'docs', 'examples')
const dir = mkdtempSync(join(tmpdir(), 'epione-examples-'))
test.after(() => rmSync(dir, { recursive: true, force: true }))

interface Service {
  child: ChildProcess
  lines: { event: string; [field: string]: unknown }[]
}

function startService(settings: string): Service {
  const child = spawn(process.execPath, [join(EXAMPLES, 'clinic-service', 'service.ts'), settings], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: Service['lines'] = []
  let rest = ''
  child.stdout?.on('data', text => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts.map(line => JSON.parse(line)))
  })
  return { child, lines }
}

const said = async ({ lines }: Service, event: string, count = 1): Promise<void> => {
  await waitFor(() => lines.filter(line => line.event === event).length >= count, { what: `${count} lines of ${event}`, everyMs: 20 })
}

const observation = (value: number): string =>
  `{"resourceType":"Observation","status":"final","code":{"text":"Potassium"},"valueQuantity":{"value":${value},"unit":"mmol/L"}}`

test('the clinic’s service writes what comes in, over a kill, and tells of consents once; an auditor checks the log without a network', async () => {
  await using net = await createTestnet({ dir: join(dir, 'net'), validators: 4 })
  const nodes = net.nodes.map(({ addresses }) => addresses[0] as string)
  await using peer = await createLightPeer({ nodes, genesis: net.genesis })
  const seeds = net.registrar(0)
  const author = personFromSeeds(seeds)
  const { wallet, owned, address } = await enrolPatient(peer, author)
  const home = join(dir, 'clinic')
  const settings = join(home, 'clinic.json')
  const id = toHex(owned.id)
  const inbox = (name: string): string => join(home, 'inbox', `${id}.${name}.json`)
  mkdirSync(join(home, 'inbox'), { recursive: true })
  const text = JSON.stringify({
    nodes,
    chainId: toHex(net.chainId),
    organisation: toHex(seeds.organisation),
    role: seeds.role,
    signingSeed: toHex(seeds.signingSeed),
    sealingSeed: toHex(seeds.sealingSeed),
    folders: [{ id, label: address.label, labelSalt: toHex(address.labelSalt) }],
  })
  writeFileSync(settings, text, { mode: 0o600 })
  writeFileSync(inbox('a'), observation(4.1))
  writeFileSync(join(home, 'inbox', 'nobody.json'), observation(1))

  const first = startService(settings)
  await said(first, 'written')
  await said(first, 'not-written')
  assert.ok(existsSync(join(home, 'failed', 'nobody.json.txt')))
  const reader = personFromSeeds({ ...net.registrar(1) })
  const granted = await grantConsent(peer, wallet, owned, { sealingKey: reader.sealing.publicKey, provision: permitFor(reader) })
  await said(first, 'consents.granted')
  // Noted after it was told: a kill between the two tells it again.
  const noted = (): number =>
    JSON.parse(existsSync(join(home, 'events.json')) ? readFileSync(join(home, 'events.json'), 'utf8') : '{}')[id] ?? 0
  await waitFor(() => noted() >= (first.lines.find(line => line.event === 'consents.granted')?.number as number), {
    what: 'the note of it',
  })
  first.child.kill('SIGKILL')
  await once(first.child, 'exit')

  // What comes while it is down is written when it is up again, and nothing is told twice.
  writeFileSync(inbox('b'), observation(4.2))
  writeFileSync(inbox('c'), '{"resourceType":"Observation","status":"bogus"}')
  const session = await openSession(peer, reader, granted.share)
  assert.is((await listRecords(peer, session)).length, 1)
  await revokeConsent(peer, wallet, owned, granted.consent)
  const second = startService(settings)
  await said(second, 'consents.revoked')
  await said(second, 'written')
  await said(second, 'not-written')
  second.child.kill('SIGTERM')
  await once(second.child, 'exit')
  assert.is(second.lines.at(-1)?.event, 'stopped')
  assert.equal(
    second.lines.filter(({ event }) => event === 'consents.granted'),
    [],
  )
  assert.equal(readdirSync(join(home, 'inbox')), [])
  const receipts = decodeReceipts(readFileSync(join(home, 'done', `${id}.a.receipts`), 'utf8'))
  assert.ok((await checkReceiptsOffline(receipts, net.genesis, Date.now)).receipts.length >= 3)
  const own = await openOwnSession(peer, wallet, owned)
  const contents: string[] = []
  for (const version of await listRecords(peer, own)) contents.push(new TextDecoder().decode((await readRecord(peer, own, version)).bytes))
  assert.equal(contents.sort(), [observation(4.1), observation(4.2)])

  const { evidence } = await collectAccessEvidence(peer, wallet, owned)
  writeFileSync(join(dir, 'evidence.bin'), encodeEvidence(evidence))
  writeFileSync(join(dir, 'genesis.bin'), genesisCodec.encode(net.genesis))
  await net.stop()
  const audit = async (...files: string[]): Promise<{ code: number | null; out: string }> => {
    const child = spawn(process.execPath, [join(EXAMPLES, 'auditor', 'audit.ts'), ...files])
    let out = ''
    child.stdout.on('data', piece => (out += piece))
    child.stderr.on('data', piece => (out += piece))
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, out }
  }
  const held = await audit(join(dir, 'evidence.bin'), join(dir, 'genesis.bin'))
  assert.is(held.code, 0, held.out)
  assert.match(held.out, new RegExp(`${net.nodes[1]?.name} .*TREAT`))
  assert.match(held.out, / receipts of custodians, 0 of them not covered/)
  const bent = readFileSync(join(dir, 'evidence.bin'))
  bent[Math.floor(bent.length / 2)] = (bent[Math.floor(bent.length / 2)] as number) ^ 1
  writeFileSync(join(dir, 'bent.bin'), bent)
  assert.is.not((await audit(join(dir, 'bent.bin'), join(dir, 'genesis.bin'))).code, 0)
})

test.run()
