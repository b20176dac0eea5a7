import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

/** Runs .ci/run in a made-up checkout where `npm` is a script: `answers` maps its arguments to what it prints and its exit code. */
function ciRun(
  answers: Record<string, { print?: string; exit: number }>,
  installed = true,
): { last: string; out: string; code: number | null } {
  const root = mkdtempSync(join(tmpdir(), 'epione-ci-'))
  try {
    for (const folder of ['.ci', 'bin', 'node_modules']) mkdirSync(join(root, folder))
    copyFileSync(join(import.meta.dirname, '..', '.ci', 'run'), join(root, '.ci', 'run'))
    chmodSync(join(root, '.ci', 'run'), 0o755)
    writeFileSync(join(root, 'package-lock.json'), '{}')
    if (installed) writeFileSync(join(root, 'node_modules', '.package-lock.json'), '{}')
    utimesSync(join(root, 'package-lock.json'), 1, 1)
    const cases = Object.entries(answers).map(([args, { print = '', exit }]) => `'${args}') printf '${print}'; exit ${exit};;`)
    writeFileSync(join(root, 'bin', 'npm'), `#!/bin/sh\necho "npm $*"\ncase "$*" in ${cases.join(' ')} esac\nexit 99\n`, { mode: 0o755 })
    const { stdout, status } = spawnSync(join(root, '.ci', 'run'), {
      encoding: 'utf8',
      env: { PATH: `${join(root, 'bin')}:${process.env.PATH}` },
    })
    return { last: stdout.trimEnd().split('\n').at(-1) ?? '', out: stdout, code: status }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

const good = {
  'ci --no-audit --no-fund': { exit: 0 },
  'run --silent typecheck': { exit: 0 },
  'run --silent lint': { exit: 0 },
  'run --silent test': { print: 'x\\n7 passed, 0 failed\\n', exit: 0 },
}

const test = suite('.ci/run')

test('all good: the count of the tests, exit 0, and no install where the modules are up to date', () => {
  const run = ciRun(good)
  assert.equal([run.last, run.code], ['7 passed, 0 failed', 0])
  assert.not.match(run.out, 'npm ci')
  assert.match(ciRun(good, false).out, 'npm ci')
})

test('type check and lint count as one failure each', () => {
  const run = ciRun({ ...good, 'run --silent typecheck': { exit: 2 }, 'run --silent lint': { exit: 1 } })
  assert.equal([run.last, run.code], ['7 passed, 2 failed', 1])
})

test('failing tests, a run without a count, and a failing install', () => {
  const failing = ciRun({ ...good, 'run --silent test': { print: '6 passed, 1 failed\\n', exit: 1 } })
  assert.equal([failing.last, failing.code], ['6 passed, 1 failed', 1])
  const lying = ciRun({ ...good, 'run --silent test': { print: '6 passed, 0 failed\\n', exit: 1 } })
  assert.equal([lying.last, lying.code], ['6 passed, 1 failed', 1])
  const broken = ciRun({ ...good, 'run --silent test': { print: 'no count\\n', exit: 0 } })
  assert.equal([broken.last, broken.code], ['0 passed, 1 failed', 1])
  const install = ciRun({ ...good, 'ci --no-audit --no-fund': { exit: 1 } }, false)
  assert.equal([install.last, install.code], ['0 passed, 1 failed', 1])
  assert.not.match(install.out, 'typecheck')
})

test.run()
