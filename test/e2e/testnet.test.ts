/** The testnet as its users meet it: real processes, started, seen, hurt and stopped. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeCheckpoint } from '../../src/client/checkpoint.ts'
import { createLightPeer } from '../../src/client/light-peer.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { processStart } from '../../src/node/process-start.ts'
import type { ControlState } from '../../testnet/control/server.ts'
import { stopTestnet } from '../../testnet/launcher/control.ts'
import type { Manifest } from '../../testnet/launcher/manifest.ts'
import { findBasePort } from '../../testnet/launcher/ports.ts'
import { createTestnet } from '../../testnet/launcher/testnet.ts'
import { waitFor } from '../../testnet/launcher/wait.ts'
import { runCli } from '../cli/run-cli.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const test = suite('testnet')
const scratch = mkdtempSync(join(tmpdir(), 'epione-testnet-'))
const folders: string[] = []

function folder(name: string): string {
  const dir = join(scratch, name)
  folders.push(dir)
  return dir
}

test.after(async () => {
  for (const dir of folders) await stopTestnet(dir)
  rmSync(scratch, { recursive: true, force: true })
})

/** Runs what the command printed, as a developer would paste it: in the same folder, with this Node as `node`. */
function shell(script: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', script], { env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` } })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', text => (stdout += text))
    child.stderr.on('data', text => (stderr += text))
    child.on('error', reject)
    child.on('close', code => resolve({ code, stdout, stderr }))
  })
}

test('up, its snippet, status, logs; down after a node was killed; up again; nothing left after --clean', async () => {
  const dir = folder('cli')
  const basePort = await findBasePort(4)
  const up = await runCli(['testnet', 'up', '--dir', dir, '--base-port', String(basePort), '--json'])
  assert.is(up.code, 0, up.stderr)
  const net: Manifest & { snippet: string } = JSON.parse(up.stdout)
  const noted: Manifest = JSON.parse(readFileSync(join(dir, 'net.json'), 'utf8'))
  assert.equal(
    noted.nodes.map(node => [node.id, node.jurisdiction, node.process?.pid]),
    net.nodes.map(node => [node.id, node.jurisdiction, node.process?.pid]),
  )
  assert.equal([noted.seed, noted.validators, noted.basePort], [7, 4, basePort])

  const tried = await shell(net.snippet)
  assert.is(tried.code, 0, tried.stderr)
  assert.match(tried.stdout, /^height [1-9]\d*, \d+ ms old, signed by a quorum\n/)
  for (const { jurisdiction, name } of net.nodes) assert.match(tried.stdout, `${jurisdiction} ${name}`)

  // A node seen by its operator, and another network beside it on the same ports.
  const [status, peers, keys, clash, table] = await Promise.all([
    runCli(['status', '--home', net.nodes[1]!.home, '--check', '--json']),
    runCli(['peers', '--home', net.nodes[1]!.home, '--json']),
    runCli(['keys', 'show', '--home', net.nodes[1]!.home, '--json']),
    runCli(['testnet', 'up', '--dir', folder('clash'), '--base-port', String(basePort)]),
    runCli(['testnet', 'status', '--dir', dir]),
  ])
  const own = JSON.parse(status!.stdout)
  assert.equal([own.state, own.chainId, own.name, own.validators.length], ['ok', net.chainId, net.nodes[1]!.name, 4])
  assert.is(status!.code, 0)
  const shown = JSON.parse(keys!.stdout)
  assert.equal([shown.account, shown.peerId], [net.nodes[1]!.account, net.nodes[1]!.peerId])
  const listed: { peers: { name: string; connected: boolean; addresses: string[] }[] } = JSON.parse(peers!.stdout)
  assert.equal(listed.peers.map(peer => peer.name).sort(), net.nodes.map(node => node.name).sort())
  const where = new Map(net.nodes.map(node => [node.name, node.addresses]))
  for (const peer of listed.peers) {
    assert.ok(peer.connected, peer.name)
    assert.ok(
      peer.addresses.length > 0 && peer.addresses.every(address => where.get(peer.name)?.includes(address)),
      peer.addresses.join(' '),
    )
  }
  assert.is(clash!.code, 3)
  assert.match(clash!.stderr, new RegExp(`port ${basePort + 10}, which node1 would listen at.*--base-port.*\\(port-in-use\\)`))
  assert.not.ok(existsSync(join(scratch, 'clash')))
  assert.is(table!.stdout.match(/ ok /g)?.length, 4, table!.stdout)

  // A header for devices to start from, as its members show it.
  const point = await runCli(['checkpoint', '--home', net.nodes[1]!.home, '--json'])
  assert.is(point.code, 0, point.stderr)
  const { checkpoint, chainId, vouchers } = JSON.parse(point.stdout)
  assert.equal([chainId, vouchers.length], [net.chainId, 4])
  assert.is(toHex(decodeCheckpoint(checkpoint).chainId), net.chainId)

  // Broken on purpose by command, and mended.
  const verb = async (...args: string[]): Promise<{ state: ControlState }> => {
    const done = await runCli(['testnet', ...args, '--dir', dir, '--json'])
    assert.is(done.code, 0, done.stderr)
    return JSON.parse(done.stdout)
  }
  const state = async (index: number): Promise<string> => {
    const seen = await runCli(['testnet', 'status', '--dir', dir, '--json'])
    return JSON.parse(seen.stdout).nodes[index].status?.state ?? 'no answer'
  }
  assert.is((await verb('partition', '1,2|3,4')).state.links.length, 8)
  await waitFor(async () => (await state(0)) === 'quorum-missing', { what: 'halves without a quorum', timeoutMs: 60_000 })
  await verb('clock', '4', '+90s')
  assert.equal((await verb('heal')).state.links, [])
  await waitFor(async () => (await state(0)) === 'ok', { what: 'a network that is whole again', timeoutMs: 60_000 })
  const late = JSON.parse((await runCli(['testnet', 'status', '--dir', dir, '--json'])).stdout)
  assert.ok(late.nodes[3].status.blockAgeMs > 90_000, 'node4 is ahead of its time')
  await verb('clock', '4', '0')
  const paused = await verb('pause', '4')
  assert.equal(
    paused.state.nodes.map(node => node.paused),
    [false, false, false, true],
  )
  await verb('resume', 'node4')
  const restarted = await verb('restart', '4')
  assert.is.not(restarted.state.nodes[3]?.pid, net.nodes[3]?.process?.pid)
  net.nodes[3]!.process!.pid = restarted.state.nodes[3]!.pid!
  noted.nodes[3]!.process = JSON.parse(readFileSync(join(dir, 'net.json'), 'utf8')).nodes[3].process
  const none = await runCli(['testnet', 'kill', '9', '--dir', dir])
  assert.equal([none.code, /there are node1, node2/i.test(none.stderr)], [2, true], none.stderr)

  // One is killed, and a stranger's process has the id that another is noted under.
  process.kill(net.nodes[2]!.process!.pid, 'SIGKILL')
  await waitFor(async () => (await processStart(net.nodes[2]!.process!.pid)) === null, { what: 'the end of node3' })
  const logs = await runCli(['testnet', 'logs', 'node3', '-n', '1000', '--dir', dir])
  assert.match(logs.stdout, '"msg":"started"')
  assert.is((await runCli(['testnet', 'logs', 'node9', '--dir', dir])).code, 2)
  const stranger = spawn('/bin/sleep', ['600'])
  noted.nodes[2]!.process!.pid = stranger.pid!
  writeFileSync(join(dir, 'net.json'), JSON.stringify(noted))
  try {
    const down = await runCli(['testnet', 'down', '--dir', dir, '--json'])
    assert.is(down.code, 0, down.stderr)
    const stopped: { id: string; byItself: boolean }[] = JSON.parse(down.stdout).stopped
    assert.equal(
      stopped.map(node => [node.id, node.byItself]).sort(),
      ['node1', 'node2', 'node4'].map(id => [id, true]),
    )
    for (const node of net.nodes) assert.is(await processStart(node.process!.pid), null, node.id)
    assert.is.not(await processStart(stranger.pid!), null, 'the stranger lives')
  } finally {
    stranger.kill('SIGKILL')
  }
  assert.is((await runCli(['status', '--home', net.nodes[0]!.home])).code, 4)

  const other = await runCli(['testnet', 'up', '--dir', dir, '--seed', '8'])
  assert.equal([other.code, /testnet-exists/.test(other.stderr)], [3, true])
  const again = await runCli(['testnet', 'up', '--dir', dir, '--json'])
  assert.is(again.code, 0, again.stderr)
  assert.equal([JSON.parse(again.stdout).chainId, JSON.parse(again.stdout).basePort], [net.chainId, basePort])

  const clean = await runCli(['testnet', 'down', '--clean', '--dir', dir])
  assert.is(clean.code, 0, clean.stderr)
  assert.not.ok(existsSync(dir))
  const nothing = await runCli(['testnet', 'down', '--dir', dir])
  assert.equal([nothing.code, /nothing to stop/.test(nothing.stdout)], [0, true])
})

test('a node that was down for some blocks catches up, and one that was paused too', async () => {
  await using net = await createTestnet({ dir: folder('lib'), heartbeatMs: 300 })
  const height = async (index: number): Promise<number> => (await net.status(index))?.height ?? 0
  const reaches = async (index: number, at: number): Promise<void> => {
    await waitFor(async () => (await height(index)) >= at, { what: `node${index + 1} at height ${at}`, timeoutMs: 60_000 })
  }
  await net.kill(3)
  assert.is(net.nodes[3]?.pid, null)
  const before = await height(0)
  await reaches(0, before + 8)
  const missed = await height(0)
  await net.restart(3)
  await reaches(3, missed + 2)

  await net.kill(2, 'SIGSTOP')
  await reaches(0, missed + 10)
  await net.kill(2, 'SIGCONT')
  await reaches(2, missed + 12)

  await using peer = await createLightPeer({ nodes: net.nodes[2]!.addresses, genesis: net.genesis, chainId: net.chainId })
  const members = await peer.members()
  assert.equal(members.map(member => toHex(member.id)).sort(), net.nodes.map(node => toHex(node.account)).sort())
})

test('nodes that are not detached end with the program that made them, even where it is killed', async () => {
  const dir = folder('orphans')
  const program = `
    import { openTestnet } from '${ROOT}/testnet/launcher/testnet.ts'
    const net = await openTestnet({ dir: '${dir}' })
    await net.start()
    console.log(JSON.stringify(net.nodes.map(node => node.pid)))
    setInterval(() => {}, 1000)
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', piece => (text += piece))
  await waitFor(() => text.includes('\n') || child.exitCode !== null, { what: 'the testnet of another program', timeoutMs: 60_000 })
  const pids: number[] = JSON.parse(text)
  assert.is(pids.length, 4)
  child.kill('SIGKILL')
  for (const pid of pids) await waitFor(async () => (await processStart(pid)) === null, { what: `the end of process ${pid}` })
})

test('a port that is taken after the folder was made is named, and nothing is left running', async () => {
  const dir = folder('taken')
  const basePort = await findBasePort(4)
  const server = createServer()
  await new Promise<void>(resolve => server.listen(basePort + 21, '127.0.0.1', resolve))
  try {
    await createTestnet({ dir, basePort })
    assert.unreachable()
  } catch (error) {
    assert.match((error as Error).message, `port ${basePort + 21}, which node2 would listen at`)
    assert.not.ok(existsSync(dir))
  } finally {
    server.close()
  }
})

test.run()
