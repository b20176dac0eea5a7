import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { signingKeyFromSeed } from '../../src/crypto/signature.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { openIdentityKeystore } from '../../src/node/identity-file.ts'
import { readStaff } from '../../src/node/staff.ts'
import { type CliRun, runCli } from './run-cli.ts'

const test = suite('cli init')
const dir = mkdtempSync(join(tmpdir(), 'epione-init-'))
const at = (...path: string[]): string => join(dir, ...path)
const COUNTRIES = ['KE', 'DE', 'BR', 'IN']
const PASSPHRASE = 'long enough a phrase'
writeFileSync(at('pass'), `${PASSPHRASE}\n`, { mode: 0o600 })
test.after(() => rmSync(dir, { recursive: true, force: true }))

async function cli(...args: string[]): Promise<CliRun> {
  return await runCli([...args, '--passphrase-file', at('pass')])
}

function mode(path: string): string {
  return (statSync(path).mode & 0o777).toString(8)
}

test('organisations found a network, and each joins it', async () => {
  const made = await Promise.all(
    COUNTRIES.map(async country => {
      const name = `Hospital ${country}`
      return await cli('init', '--home', at(country), '--name', name, '--jurisdiction', country.toLowerCase(), '--yes', '--json')
    }),
  )
  for (const [i, run] of made.entries()) {
    assert.is(run.code, 0, run.stderr)
    const value = JSON.parse(run.stdout)
    assert.equal([value.home, value.chainId, value.founder], [at(COUNTRIES[i]!), null, null])
    const organisation = JSON.parse(readFileSync(value.organisation, 'utf8'))
    assert.equal([organisation.name, organisation.jurisdiction], [`Hospital ${COUNTRIES[i]}`, COUNTRIES[i]])
    assert.ok(organisation.power > 0 && organisation.consensusKey !== null)
    assert.equal(
      [mode(at(COUNTRIES[i]!)), mode(at(COUNTRIES[i]!, 'node.keystore')), mode(at(COUNTRIES[i]!, 'config.yaml'))],
      ['700', '600', '600'],
    )
  }

  const files = COUNTRIES.map(country => at(country, 'organisation.json'))
  const founded = await runCli(['genesis', 'create', '--network', 'lakes', '--out', at('genesis.json'), '--json', ...files])
  assert.is(founded.code, 0, founded.stderr)
  const { chainId, parameters } = JSON.parse(founded.stdout)
  assert.equal([parameters.n, parameters.k], [4, 2])
  const twice = await runCli(['genesis', 'create', '--network', 'lakes', '--out', at('genesis.json'), ...files])
  assert.equal([twice.code, /never|exists already/.test(twice.stderr)], [3, true])

  const [joined, shown] = [
    await cli('init', '--home', at('KE'), '--genesis', at('genesis.json'), '--json'),
    await cli('keys', '--home', at('KE'), '--json'),
  ]
  assert.is(joined.code, 0, joined.stderr)
  const value = JSON.parse(joined.stdout)
  assert.equal([value.chainId, value.founder], [chainId, true])
  assert.equal([JSON.parse(shown.stdout).account, JSON.parse(shown.stdout).peerId], [value.account, value.peerId])
  assert.is(readFileSync(at('KE', 'genesis.json'), 'utf8'), readFileSync(at('genesis.json'), 'utf8'))

  // The operator is somebody for whom the organisation answers.
  const identity = await openIdentityKeystore(at('KE', 'identity.keystore'), PASSPHRASE)
  assert.equal([toHex(identity.organisation), toHex(identity.chainId), identity.role], [value.account, chainId, 'registrar'])
  assert.equal(await readStaff(at('KE', 'staff.json')), [
    { key: toHex(signingKeyFromSeed(identity.signingSeed).publicKey), role: 'registrar' },
  ])

  const before = readFileSync(at('KE', 'node.keystore'), 'utf8')
  for (const again of [
    await cli('init', '--home', at('KE'), '--name', 'Other', '--jurisdiction', 'KE'),
    await cli('init', '--home', at('KE'), '--genesis', at('genesis.json')),
  ]) {
    assert.is(again.code, 3)
    assert.match(again.stderr, /never overwritten.*\(home-exists\)/)
  }
  assert.is(readFileSync(at('KE', 'node.keystore'), 'utf8'), before)

  const stranger = await cli(
    'init',
    '--home',
    at('FR'),
    '--name',
    'Stranger',
    '--jurisdiction',
    'FR',
    '--no-validator',
    '--genesis',
    at('genesis.json'),
  )
  assert.is(stranger.code, 0, stranger.stderr)
  assert.match(stranger.stdout, 'does not name this organisation')
  assert.is(JSON.parse(readFileSync(at('FR', 'organisation.json'), 'utf8')).consensusKey, null)
})

test('what is missing or wrong is said, and nothing is made', async () => {
  writeFileSync(at('bad.json'), '{"version":1}')
  mkdirSync(at('none'), { recursive: true })
  const home = ['--home', at('none', 'x')]
  const name = ['--name', 'A', '--jurisdiction', 'KE']
  const cases: [string[], number, RegExp][] = [
    [['init', ...home], 2, /'--name' not specified.*\(missing-option\)/],
    [['init', ...home, '--name', ' ', '--jurisdiction', 'KE'], 2, /--name: .*\(invalid-argument\)/],
    [['init', ...home, '--name', 'A', '--jurisdiction', 'Kenya'], 2, /two letters.*\(invalid-argument\)/],
    [['init', ...home, ...name], 6, /no terminal can ask.*\(passphrase-required\)/],
    [['init', ...home, ...name, '--yes'], 6, /nothing is to be asked.*\(passphrase-required\)/],
    [['init', ...home, ...name, '--genesis', at('bad.json')], 3, /\(genesis-invalid\)/],
    [['init', ...home, ...name, '--genesis', at('no.json')], 3, /\(genesis-missing\)/],
    [['init', ...home, ...name, '--listen', 'nonsense'], 3, /\(config-invalid\)/],
    [['genesis', 'create', '--network', 'x', '--out', at('none', 'g'), at('bad.json')], 3, /\(organisation-invalid\)/],
    [
      ['genesis', 'create', '--network', 'x', '--out', at('none', 'g'), at('KE', 'organisation.json')],
      3,
      /custodians.*\(genesis-invalid\)/,
    ],
    [['genesis', 'create', '--network', 'X!', at('bad.json')], 2, /\(invalid-argument\)/],
    [['keys', 'show', ...home], 3, /\(home-missing\)/],
  ]
  const runs = await Promise.all(cases.map(async ([args]) => await runCli(args)))
  for (const [i, [args, code, pattern]] of cases.entries()) {
    assert.match(runs[i]!.stderr, pattern, args.join(' '))
    assert.equal([runs[i]!.code, runs[i]!.stdout], [code, ''], args.join(' '))
  }
  assert.throws(() => statSync(at('none', 'x')), /ENOENT/)
  assert.throws(() => statSync(at('none', 'g')), /ENOENT/)
})

test.run()
