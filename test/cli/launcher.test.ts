import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LAUNCHER, runCli } from './run-cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'epione-launcher-'))
/** This Node, pretending to be an old one. */
const pretend = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })`
const oldNode = [process.execPath, '--import', `data:text/javascript,${encodeURIComponent(pretend)}`]

function script(name: string, body: string): string {
  const path = join(folder, name)
  writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 })
  return path
}

const test = suite('launcher')
test.after(() => rmSync(folder, { recursive: true, force: true }))

test('on a Node that is new enough the program runs in the same process', async () => {
  const run = await runCli(['version', '--json'], { program: [process.execPath, LAUNCHER], env: { EPIONE_NODE: '/nonexistent' } })
  assert.equal([run.code, JSON.parse(run.stdout).node], [0, process.versions.node])
})

test('on an old one it runs on the Node that the package brings, with arguments, input, output and exit code', async () => {
  const [version, usage, input] = await Promise.all([
    runCli(['version', '--json'], { program: [...oldNode, LAUNCHER] }),
    runCli(['status', '--chek'], { program: [...oldNode, LAUNCHER] }),
    runCli(['wallet', 'restore', '--json', '--wallet', join(folder, 'w')], { program: [...oldNode, LAUNCHER], input: 'not a phrase' }),
  ])
  assert.match(JSON.parse(version!.stdout).node, /^24\./)
  assert.is(usage!.code, 2)
  assert.match(usage!.stderr, 'Did you mean --check?')
  assert.equal([input!.code, JSON.parse(input!.stderr).error.code], [6, 'phrase-length'])
})

test('without a new one: what is needed, what to do, exit code 3', async () => {
  const alone = join(folder, 'alone.mjs')
  copyFileSync(LAUNCHER, alone)
  const stillOld = script('old-node', `exec ${oldNode.map(word => `'${word.replaceAll("'", "'\\''")}'`).join(' ')} "$@"`)
  const [missing, bundled, old] = await Promise.all([
    runCli(['status', '--json'], { program: [...oldNode, LAUNCHER], env: { EPIONE_NODE: '/nonexistent' } }),
    runCli(['status'], { program: [...oldNode, alone] }),
    runCli(['status'], { program: [...oldNode, LAUNCHER], env: { EPIONE_NODE: stillOld } }),
  ])
  const { error } = JSON.parse(missing!.stderr)
  assert.equal([missing!.code, error.code, error.metadata], [3, 'node-version', { found: '20.20.2', needed: 24 }])
  assert.match(error.message, '/nonexistent does not start (ENOENT)')
  for (const [run, reason] of [
    [bundled!, 'the one that the package brings is missing'] as const,
    [old!, 'old-node is too old as well'] as const,
  ]) {
    assert.is(run.code, 3)
    assert.match(run.stderr, reason)
    for (const part of ['needs Node.js 24 or newer', 'npm ci', 'npm install-scripts approve node', 'EPIONE_NODE'])
      assert.match(run.stderr, part)
    assert.not.match(run.stderr, '    at ')
  }
})

test('signals go to the program, and its end is the launcher’s end', async () => {
  const patient = script('patient', `sleep 60 </dev/null >/dev/null 2>&1 &\ntrap 'kill $!; exit 7' TERM\necho ready\nwait`)
  const killed = script('killed', `kill -KILL $$`)
  const [caught, died] = await Promise.all([
    runCli([], { program: [...oldNode, LAUNCHER], env: { EPIONE_NODE: patient }, onOutput: (_text, kill) => kill('SIGTERM') }),
    runCli([], { program: [...oldNode, LAUNCHER], env: { EPIONE_NODE: killed } }),
  ])
  assert.equal([caught!.stdout, caught!.code], ['ready\n', 7])
  assert.equal([died!.code, died!.signal], [null, 'SIGKILL'])
})

test.run()
