import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type RunResult, runTests } from './run.ts'

const HEADER = `import { suite } from '${import.meta.resolve('uvu')}'
import * as assert from '${import.meta.resolve('uvu/assert')}'
const test = suite('sample')
`

/** Runs the runner over files written for the purpose; returns its counts and its lines. */
async function run(files: Record<string, string>, filters: string[] = [], limitMs = 30_000): Promise<RunResult & { lines: string }> {
  const root = mkdtempSync(join(tmpdir(), 'epione-run-'))
  try {
    for (const [name, source] of Object.entries(files)) {
      mkdirSync(dirname(join(root, 'test', name)), { recursive: true })
      writeFileSync(join(root, 'test', name), source)
    }
    const lines: string[] = []
    const result = await runTests({ root, filters, limitMs, e2eLimitMs: limitMs, jobs: 2, write: line => lines.push(line) })
    return { ...result, lines: lines.join('\n') }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

const passing = `${HEADER}test('a', () => assert.ok(true)); test('b', () => assert.is(1, 1)); test.run()\n`

const test = suite('test runner')

test('counts tests and assertions of passing files', async () => {
  const result = await run({ 'one.test.ts': passing, 'deep/er/two.test.ts': passing, 'not-a-test.ts': 'throw 1' })
  assert.equal([result.files, result.passed, result.failed, result.assertions], [2, 4, 0, 4])
})

test('a failing test counts once and shows its output', async () => {
  const result = await run({
    'one.test.ts': passing,
    'two.test.ts': `${HEADER}test('good', () => assert.ok(true)); test('bad one', () => assert.is(1, 2)); test.run()\n`,
  })
  assert.equal([result.passed, result.failed], [3, 1])
  assert.match(result.lines, /✘ test\/two\.test\.ts \(1 of 2 did not pass/)
  assert.match(result.lines, 'bad one')
})

test('a file fails that has no summary, no test, no assertion, a swallowed hook error, or an exit code', async () => {
  const result = await run({
    'silent.test.ts': 'process.exitCode = 0\n',
    'empty.test.ts': `${HEADER}test.run(); assert.ok(true)\n`,
    'vacuous.test.ts': `${HEADER}test('nothing', () => {}); test.run(); void assert\n`,
    'hook.test.ts': `${HEADER}test.before(() => { throw new Error('x') }); test('a', () => assert.ok(true)); test.run()\n`,
    'late.test.ts': `${HEADER}test('a', () => assert.ok(true)); test.run(); process.on('exit', () => { process.exitCode = 3 })\n`,
    'pending.test.ts': `${HEADER}test('a', () => new Promise(() => assert.ok(true))); test.run()\n`,
  })
  assert.is(result.failed, 6)
  assert.match(result.lines, /silent\.test\.ts \(ended without a summary/)
  assert.match(result.lines, /empty\.test\.ts \(has no test/)
  assert.match(result.lines, /vacuous\.test\.ts \(evaluates no assertion/)
  assert.match(result.lines, /hook\.test\.ts \(1 of 1 did not pass/)
  assert.match(result.lines, /late\.test\.ts \(exit code 3/)
  assert.match(result.lines, /pending\.test\.ts \(exit code 1/)
})

test('a file that hangs is killed with what it started', async () => {
  const result = await run(
    { 'e2e/hang.test.ts': `${HEADER}test('a', () => new Promise(r => setInterval(() => assert.ok(r), 1000))); test.run()\n` },
    [],
    1500,
  )
  assert.equal([result.passed, result.failed], [0, 1])
  assert.match(result.lines, /hang\.test\.ts \(killed after 1\.5 s/)
})

test('a file that leaves a process behind fails', async () => {
  const result = await run({
    'leaves.test.ts': `${HEADER}import { spawn } from 'node:child_process'
test('a', () => { spawn('sleep', ['600'], { stdio: 'inherit' }).unref(); assert.ok(true) }); test.run()\n`,
  })
  assert.equal([result.passed, result.failed], [1, 1])
  assert.match(result.lines, 'left processes running')
})

test('filters choose files; a filter that matches nothing fails', async () => {
  const files = { 'consensus/a.test.ts': passing, 'b.test.ts': passing }
  assert.is((await run(files, ['consensus'])).files, 1)
  assert.is((await run(files, ['consensu', 'b.test'])).files, 2)
  const none = await run(files, ['nowhere'])
  assert.equal([none.files, none.failed], [0, 1])
  assert.match(none.lines, 'no test file matches nowhere')
})

test.run()
