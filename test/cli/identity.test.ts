import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { addFolders, findFolder, readFolders } from '../../cli/folder-book.ts'
import { decodeCard } from '../../src/client/identity.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { runCli } from './run-cli.ts'

const home = mkdtempSync(join(tmpdir(), 'epione-identity-'))
const env = { EPIONE_HOME: home, EPIONE_PASSPHRASE: 'correct horse battery' }
const organisation = 'ab'.repeat(32)
const chain = 'cd'.repeat(32)
const create = ['keys', 'create', '--name', 'Dr Otieno', '--role', 'physician', '--organisation', organisation, '--chain', chain]
let card = ''

const test = suite('cli identity')
test.after(() => rmSync(home, { recursive: true, force: true }))

test('keys create prints a card; keys card prints the same again', async () => {
  const made = await runCli([...create, '--quiet'], { env })
  assert.is(made.code, 0, made.stderr)
  card = made.stdout.trim()
  const { name, role, organisation: of, chainId, signingKey } = decodeCard(card)
  assert.equal([name, role, toHex(of), toHex(chainId)], ['Dr Otieno', 'physician', organisation, chain])
  assert.is(statSync(join(home, 'identity.keystore')).mode & 0o777, 0o600)
  const [again, json, qr] = await Promise.all([
    runCli([...create, '--json'], { env }),
    runCli(['keys', 'card', '--json'], { env }),
    runCli(['keys', 'card', '--qr'], { env }),
  ])
  assert.equal([again!.code, JSON.parse(again!.stderr).error.code], [6, 'keystore-exists'])
  const value = JSON.parse(json!.stdout)
  assert.equal([value.schemaVersion, value.card, value.signingKey], [1, card, toHex(signingKey)])
  assert.match(qr!.stdout, '█')
  assert.ok(qr!.stdout.trimEnd().endsWith(card))
})

test('a wallet is no identity, and the other way round', async () => {
  const identity = join(home, 'identity.keystore')
  const wallet = join(home, 'w')
  const made = await runCli(['wallet', 'create', '--quiet', '--wallet', wallet], { env })
  assert.is(made.code, 0, made.stderr)
  const [a, b] = await Promise.all([
    runCli(['wallet', 'show', '--json', '--wallet', identity], { env }),
    runCli(['keys', 'card', '--json', '--identity', wallet], { env }),
  ])
  assert.equal([a!.code, JSON.parse(a!.stderr).error.code], [6, 'not-a-wallet'])
  assert.equal([b!.code, JSON.parse(b!.stderr).error.code], [6, 'not-an-identity'])
})

test('staff: added by a card from text, file or pipe, listed, removed', async () => {
  const key = toHex(decodeCard(card).signingKey)
  const file = join(home, 'otieno.card')
  writeFileSync(file, `${card}\n`)
  assert.equal(JSON.parse((await runCli(['staff', 'add', card, '--json'], { env })).stdout).people, [{ key, role: 'physician' }])
  assert.equal(JSON.parse((await runCli(['staff', 'add', file, '--role', 'head-nurse', '--json'], { env })).stdout).people, [
    { key, role: 'head-nurse' },
  ])
  assert.equal(JSON.parse((await runCli(['staff', 'add', '-', '--json'], { env, input: card })).stdout).people, [
    { key, role: 'physician' },
  ])
  assert.is((await runCli(['staff', 'list'], { env })).stdout, `${key}  physician\n`)
  assert.is((await runCli(['staff', 'remove', key], { env })).stdout, '')
  const runs = await Promise.all([
    runCli(['staff', 'remove', key, '--json'], { env }),
    runCli(['staff', 'add', `${card.slice(0, -4)}`, '--json'], { env }),
    runCli(['staff', 'add', join(home, 'nowhere'), '--json'], { env }),
    runCli(['staff', 'add', '-', '--json'], { env }),
  ])
  assert.equal(
    runs.map(run => [run.code, JSON.parse(run.stderr).error.code]),
    [
      [1, 'not-found'],
      [2, 'bad-card'],
      [2, 'invalid-argument'],
      [2, 'bad-card'],
    ],
  )
})

test('one of two options: named when both are missing, refused when both are given', async () => {
  const runs = await Promise.all([
    runCli(['record', 'list'], { env }),
    runCli(['record', 'list', '--folder', organisation, '--share', 'x'], { env }),
    runCli(['consent', 'grant', '--folder', organisation], { env }),
    runCli(['consent', 'grant', '--folder', organisation, '--to', 'x', '--role', 'nurse'], { env }),
  ])
  assert.equal(
    runs.map(run => run.code),
    [2, 2, 2, 2],
  )
  assert.match(runs[0]!.stderr, /one of the options '--folder <id>' and '--share <code>' is needed.*\(missing-option\)/)
  assert.match(runs[1]!.stderr, /\(conflicting-option\)/)
  assert.match(runs[2]!.stderr, /one of the options '--to <card>' and '--organisation <id>' is needed/)
  assert.match(runs[3]!.stderr, /\(conflicting-option\)/)
})

test('the folder book keeps what an enrolment gave, once', async () => {
  const bytes = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
  const one = { id: bytes(1), label: 'normal', labelSalt: bytes(2) } as const
  const two = { id: bytes(3), label: 'genetic', labelSalt: bytes(4) } as const
  assert.equal(await readFolders(home), [])
  await addFolders(home, [one])
  await addFolders(home, [one, two])
  assert.equal(await readFolders(home), [one, two])
  assert.equal(await findFolder(home, bytes(3)), two)
  assert.is(statSync(join(home, 'folders.json')).mode & 0o777, 0o600)
  const codes: string[] = []
  const record = (error: unknown): void => {
    codes.push(errorCode(error))
  }
  await findFolder(home, bytes(9)).catch(record)
  for (const text of [
    '',
    '{}',
    '{"version":1,"folders":[{"id":"00"}]}',
    '{"version":1,"folders":[null]}',
    '{"version":2,"folders":[]}',
    'null',
  ]) {
    writeFileSync(join(home, 'folders.json'), text)
    await readFolders(home).catch(record)
  }
  assert.equal(codes, ['folder-unknown', ...Array.from({ length: 6 }, () => 'folder-book-invalid')])
})

test.run()
