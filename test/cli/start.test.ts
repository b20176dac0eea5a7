import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openTestnet } from '../../testnet/launcher/testnet.ts'
import { readExposition, sampleOf } from '../gateway/exposition.ts'
import { runCli } from './run-cli.ts'

const test = suite('cli start')
const dir = mkdtempSync(join(tmpdir(), 'epione-start-'))
test.after(() => rmSync(dir, { recursive: true, force: true }))

test('a node starts, says where it is, is found by its home, keeps others out, and stops at once', async () => {
  const net = await openTestnet({ dir: join(dir, 'net') })
  const other = await openTestnet({ dir: join(dir, 'other'), seed: 8 })
  const [node, second] = net.nodes
  const port = /tcp\/(\d+)/.exec(node!.addresses[0]!)![1]!

  let text = ''
  let kill: (signal: NodeJS.Signals) => void = () => undefined
  let onStarted: () => void = () => undefined
  const started = new Promise<void>(resolve => {
    onStarted = resolve
  })
  const running = runCli(['start', '--home', node!.home, '--operations', '127.0.0.1:0', '--json'], {
    onOutput: (piece, end) => {
      kill = end
      text += piece
      if (text.includes('\n')) onStarted()
    },
  })
  await Promise.race([started, running])
  const banner = JSON.parse(text.split('\n')[0]!)
  assert.equal([banner.type, banner.name, banner.height, banner.home], ['started', node!.name, 0, node!.home])
  assert.equal(banner.addresses, node!.addresses)
  const noted = JSON.parse(readFileSync(join(node!.home, 'running.json'), 'utf8'))
  assert.equal([noted.pid, noted.addresses], [banner.pid, banner.addresses])

  const [status, locked, busy] = await Promise.all([
    runCli(['status', '--check', '--json', '--home', node!.home]),
    runCli(['start', '--home', node!.home]),
    runCli(['start', '--home', second!.home, '--listen', `/ip4/127.0.0.1/tcp/${port}`]),
  ])
  assert.is(status!.code, 5, status!.stderr)
  const report = JSON.parse(status!.stdout)
  assert.is(report.state, 'quorum-missing')
  for (const missing of net.nodes.slice(1)) assert.match(report.summary, missing.name)
  assert.match(status!.stderr, /not ready: .*quorum-missing/)

  // The same over HTTP.
  const [healthy, ready, metrics] = await Promise.all(
    ['healthz', 'readyz', 'metrics'].map(async path => await fetch(`${banner.operations}/${path}`)),
  )
  assert.equal([healthy!.status, ready!.status, metrics!.status], [200, 503, 200])
  const { reasons } = (await ready!.json()) as { reasons: { code: string; message: string }[] }
  assert.ok(reasons.some(({ code }) => code === 'quorum-missing'))
  const read = readExposition(await metrics!.text())
  assert.equal([sampleOf(read, 'epione_validators'), sampleOf(read, 'epione_validators_reached_weight')], [4, report.validators[0].power])
  assert.equal([sampleOf(read, 'epione_ready'), sampleOf(read, 'epione_state', { state: 'quorum-missing' })], [0, 1])

  assert.is(locked!.code, 3)
  assert.match(locked!.stderr, new RegExp(`process ${banner.pid}.*\\(home-locked\\)`))
  assert.is(busy!.code, 3)
  assert.match(busy!.stderr, new RegExp(`port ${port} is used.*\\(port-in-use\\)`))
  assert.not.ok(existsSync(join(second!.home, 'running.json')))

  kill('SIGTERM')
  const ended = await running
  assert.equal([ended.code, ended.signal], [0, null], ended.stderr)
  assert.not.ok(existsSync(join(node!.home, 'running.json')))
  assert.not.ok(existsSync(join(node!.home, 'node.lock')))
  for (const line of ended.stderr.trim().split('\n')) assert.type(JSON.parse(line).level, 'string', line)

  copyFileSync(other.genesisPath, join(node!.home, 'genesis.json'))
  const wrong = await runCli(['start', '--home', node!.home])
  assert.is(wrong.code, 3)
  assert.match(wrong.stderr, /\(other-chain\)/)
})

test('what keeps a node from starting is said, with its exit code', async () => {
  const net = await openTestnet({ dir: join(dir, 'errors') })
  const [a, b, c] = net.nodes
  rmSync(join(b!.home, 'genesis.json'))
  writeFileSync(join(c!.home, 'config.yaml'), 'listne: []\n')
  writeFileSync(join(dir, 'token'), 'short\n')
  const open = ['--operations', '0.0.0.0:0']
  const cases: [string[], Record<string, string>, number, RegExp][] = [
    [['start', '--home', join(dir, 'nowhere')], {}, 3, /epione init.*\(home-missing\)/],
    [['start', '--home', b!.home], {}, 3, /--genesis.*\(genesis-missing\)/],
    [['start', '--home', c!.home], {}, 3, /config\.yaml:1:1: there is no setting listne \(did you mean listen\?\) \(config-invalid\)/],
    [['start', '--home', a!.home], { EPIONE_PASSPHRASE: 'wrong' }, 6, /\(wrong-passphrase\)/],
    [['start', '--home', a!.home, ...open], {}, 3, /operationsTokenFile.*\(config-invalid\)/],
    [
      ['start', '--home', a!.home, ...open, '--operations-token-file', join(dir, 'token')],
      {},
      3,
      /16 to 512 characters.*\(config-invalid\)/,
    ],
    [['status', '--home', a!.home], {}, 4, /epione start.*\(not-running\)/],
    [['peers', '--peer', a!.addresses[0]!], {}, 4, /\(unreachable\)/],
  ]
  const runs = await Promise.all(cases.map(async ([args, env]) => await runCli(args, { env })))
  for (const [i, [args, , code, pattern]] of cases.entries()) {
    assert.match(runs[i]!.stderr, pattern, args.join(' '))
    assert.equal([runs[i]!.code, runs[i]!.stdout], [code, ''], args.join(' '))
  }
})

test.run()
