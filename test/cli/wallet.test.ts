import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ownerKey, ownerKeyHash, phraseToSeed, recoveryKey, recoveryKeyHash } from '../../src/crypto/wallet.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { type CliRun, runCli } from './run-cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'epione-wallet-'))
const wallet = join(folder, 'home', 'wallet.keystore')
const secret = join(folder, 'secret')
writeFileSync(secret, 'correct horse battery\n', { mode: 0o600 })
const env = { EPIONE_HOME: join(folder, 'home') }
const withPassphrase = { ...env, EPIONE_PASSPHRASE: 'correct horse battery' }

interface Created {
  file: string
  ownerPhrase: string
  recoveryPhrase: string
  ownerKeyHashes: string[]
  recoveryKeys: number
}
let created: Created

/** The code of the one error that a run printed as JSON. */
function errorOf(run: CliRun): [number | null, string] {
  const lines = run.stderr.trimEnd().split('\n')
  return [run.code, JSON.parse(lines.at(-1)!).error.code]
}

const test = suite('cli wallet')
test.after(() => rmSync(folder, { recursive: true, force: true }))

test('create prints two phrases once and stores one', async () => {
  const run = await runCli(['wallet', 'create', '--json', '--passphrase-file', secret], { env })
  assert.is(run.code, 0, run.stderr)
  created = JSON.parse(run.stdout)
  assert.is(created.file, wallet)
  assert.is(statSync(wallet).mode & 0o777, 0o600)
  assert.is(created.ownerPhrase.split(' ').length, 24)
  assert.is(created.recoveryPhrase.split(' ').length, 24)
  assert.is.not(created.ownerPhrase, created.recoveryPhrase)
  assert.is(created.recoveryKeys, 256)
  assert.is(created.ownerKeyHashes[0], toHex(ownerKeyHash(ownerKey(phraseToSeed(created.ownerPhrase), 0).publicKey)))
  assert.match(run.stderr, 'write down both phrases')
  assert.not.match(readFileSync(wallet, 'utf8'), created.ownerPhrase.split(' ').slice(0, 2).join(' '))
})

test('show opens it with the same passphrase from the environment, without secrets unless asked', async () => {
  const [plain, phrase] = await Promise.all([
    runCli(['wallet', 'show', '--keys', '3', '--json'], { env: withPassphrase }),
    runCli(['wallet', 'show', '--phrase', '--json'], { env: withPassphrase }),
  ])
  const value = JSON.parse(plain!.stdout)
  assert.is(value.schemaVersion, 1)
  assert.is(value.ownerKeyHashes.length, 3)
  assert.is(value.ownerKeyHashes[0], created.ownerKeyHashes[0])
  const recoverySeed = phraseToSeed(created.recoveryPhrase)
  assert.equal(
    value.recoveryKeyHashes,
    [0, 1, 2].map(index => toHex(recoveryKeyHash(recoveryKey(recoverySeed, index).publicKey))),
  )
  assert.is(value.ownerPhrase, undefined)
  assert.is(JSON.parse(phrase!.stdout).ownerPhrase, created.ownerPhrase)
  assert.not.match(phrase!.stdout, created.recoveryPhrase)
})

test('wrong, missing and empty passphrases: exit code 6', async () => {
  const line = ['wallet', 'show', '--json']
  const runs = await Promise.all([
    runCli(line, { env: { ...env, EPIONE_PASSPHRASE: 'wrong' } }),
    runCli(line, { env }),
    runCli(line, { env: { ...env, EPIONE_PASSPHRASE: '' } }),
    runCli([...line, '--passphrase-file', join(folder, 'nowhere')], { env }),
    runCli([...line, '--wallet', join(folder, 'nowhere')], { env: withPassphrase }),
  ])
  assert.equal(runs.map(errorOf), [
    [6, 'wrong-passphrase'],
    [6, 'passphrase-required'],
    [6, 'passphrase-empty'],
    [6, 'passphrase-unreadable'],
    [6, 'keystore-missing'],
  ])
  for (const name of ['--passphrase-file', 'EPIONE_PASSPHRASE', 'EPIONE_PASSPHRASE_FILE']) assert.match(runs[1]!.stderr, name)
  assert.ok(runs.every(run => run.stdout === ''))
})

test('nothing is overwritten, and that is said before a passphrase is asked for', async () => {
  const before = readFileSync(wallet)
  const runs = await Promise.all([
    runCli(['wallet', 'create', '--json'], { env }),
    runCli(['wallet', 'restore', '--json'], { env, input: created.ownerPhrase }),
  ])
  assert.equal(runs.map(errorOf), [
    [6, 'keystore-exists'],
    [6, 'keystore-exists'],
  ])
  assert.equal(readFileSync(wallet), before)
})

test('restore gives the same keys: from a pipe, from files, with and without the recovery phrase', async () => {
  const phraseFile = join(folder, 'phrase')
  const recoveryFile = join(folder, 'recovery')
  writeFileSync(phraseFile, `  ${created.ownerPhrase.toUpperCase().replaceAll(' ', '\n')}\n`, { mode: 0o600 })
  writeFileSync(recoveryFile, created.recoveryPhrase, { mode: 0o644 })
  chmodSync(recoveryFile, 0o644)
  const [piped, owner, files] = await Promise.all([
    runCli(['wallet', 'restore', '--json', '--wallet', join(folder, 'w1')], {
      env: withPassphrase,
      input: `${created.ownerPhrase}\n${created.recoveryPhrase}\n`,
    }),
    runCli(['wallet', 'restore', '--json', '--wallet', join(folder, 'w2')], { env: withPassphrase, input: created.ownerPhrase }),
    runCli(
      ['wallet', 'restore', '--json', '--phrase-file', phraseFile, '--recovery-phrase-file', recoveryFile, '--wallet', join(folder, 'w3')],
      {
        env: withPassphrase,
      },
    ),
  ])
  for (const run of [piped!, owner!, files!]) {
    assert.is(run.code, 0, run.stderr)
    assert.equal(JSON.parse(run.stdout).ownerKeyHashes, created.ownerKeyHashes)
  }
  assert.match(owner!.stderr, 'opens no new folders')
  assert.match(files!.stderr, 'others can read')
  const shows = await Promise.all(
    ['w1', 'w2', 'w3'].map(name =>
      runCli(['wallet', 'show', '--json', '--keys', '256', '--wallet', join(folder, name)], { env: withPassphrase }),
    ),
  )
  const [first, second, third] = shows.map(run => JSON.parse(run.stdout))
  const original = JSON.parse((await runCli(['wallet', 'show', '--json', '--keys', '256'], { env: withPassphrase })).stdout)
  for (const one of [first, second, third]) assert.equal(one.ownerKeyHashes, original.ownerKeyHashes)
  for (const one of [first, third]) assert.equal(one.recoveryKeyHashes, original.recoveryKeyHashes)
  assert.is(second.recoveryKeys, 0)
})

test('phrases that are none: exit code 6, nothing written, no word repeated', async () => {
  const words = created.ownerPhrase.split(' ')
  const swapped = [words[0]!, words[2]!, words[1]!, ...words.slice(3)].join(' ')
  const runs = await Promise.all(
    [
      '',
      'too few words',
      [...words.slice(0, 23), 'zzzword'].join(' '),
      words.toReversed().join(' '),
      swapped,
      `${created.ownerPhrase}\n${created.ownerPhrase}`,
    ].map(input => runCli(['wallet', 'restore', '--json', '--wallet', join(folder, 'bad')], { env: withPassphrase, input })),
  )
  const codes = runs.map(errorOf)
  assert.equal(codes.slice(0, 3), [
    [6, 'phrase-required'],
    [6, 'phrase-length'],
    [6, 'phrase-word'],
  ])
  assert.equal(codes[5], [6, 'phrase-same'])
  // One checksum in 256 is right by chance, so the two that keep all words are judged together.
  assert.ok(
    codes.slice(3, 5).some(([code, name]) => code === 6 && name === 'phrase-checksum'),
    `phrase: ${created.ownerPhrase}`,
  )
  assert.ok(runs.every(run => !run.stderr.includes('zzzword')))
  if (codes[3]![0] === 6 && codes[4]![0] === 6) assert.not.ok(existsSync(join(folder, 'bad')))
})

test('damage is told from a wrong passphrase: exit code 7', async () => {
  const damaged = join(folder, 'damaged')
  const text = readFileSync(wallet, 'utf8')
  writeFileSync(
    damaged,
    text.replace(/"ciphertext": "(..)/, (_, digits: string) => `"ciphertext": "${digits === '00' ? '01' : '00'}`),
    { mode: 0o600 },
  )
  const run = await runCli(['wallet', 'show', '--json', '--wallet', damaged], { env: withPassphrase })
  assert.equal(errorOf(run), [7, 'keystore-corrupt'])
})

test.run()
