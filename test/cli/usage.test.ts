import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runCli } from './run-cli.ts'

const test = suite('cli usage')

/** Runs several command lines at a time. */
async function each<const T extends readonly (readonly [string, ...unknown[]])[]>(
  cases: T,
  check: (run: Awaited<ReturnType<typeof runCli>>, one: T[number]) => void,
): Promise<void> {
  await Promise.all(cases.map(async one => check(await runCli(one[0].split(' ').filter(word => word !== '')), one)))
}

test('wrong usage: one line on stderr, what was meant, exit code 2', async () => {
  await each(
    [
      ['recrod', /unknown command 'recrod' \(Did you mean record\?\); see --help \(unknown-command\)$/],
      ['wallet crate', /unknown command 'crate' \(Did you mean create\?\).*\(unknown-command\)$/],
      ['start --vote-despite-lost-log soon', /Give a whole number from 1 to/],
      ['status --chek', /unknown option '--chek' \(Did you mean --check\?\).*\(unknown-option\)$/],
      ['status extra', /too many arguments.*\(excess-arguments\)$/],
      [`record history --folder ${'ab'.repeat(32)}`, /missing required argument 'record'.*\(missing-argument\)$/],
      ['record put x', /required option '--folder <id>' not specified.*\(missing-option\)$/],
      ['record list --folder xyz', /'xyz' is invalid\. Give an id of 64 hex digits; .*\(invalid-argument\)$/],
      ['wallet show --keys', /argument missing.*\(missing-value\)$/],
      ['completion tcsh', /Allowed choices are bash, zsh.*\(invalid-argument\)$/],
    ],
    (run, [line, pattern]) => {
      assert.is(run.code, 2, line)
      assert.is(run.stdout, '', line)
      assert.match(run.stderr.trimEnd(), /^error: [^\n]+$/, line)
      assert.match(run.stderr.trimEnd(), pattern)
    },
  )
})

test('errors are JSON with --json, wherever it stands', async () => {
  await each([['--json status --chek'], ['status --chek --json']], run => {
    const { schemaVersion, error } = JSON.parse(run.stderr)
    assert.equal([run.code, schemaVersion, error.code, error.exitCode], [2, 1, 'unknown-option', 2])
    assert.match(error.message, 'Did you mean --check?')
  })
})

test('help that was asked for goes to stdout with 0; help for want of a command to stderr with 2', async () => {
  await each([['--help'], ['help'], ['wallet create --help'], ['help wallet']], run => {
    assert.equal([run.code, run.stderr], [0, ''])
    assert.match(run.stdout, 'Usage: epione')
  })
  await each([[''], ['wallet']], run => {
    assert.equal([run.code, run.stdout], [2, ''])
    assert.match(run.stderr, 'Usage: epione')
  })
})

test('help names groups, examples and exit codes', async () => {
  const { stdout } = await runCli(['--help'])
  for (const part of ['Operate a node:', 'Hold a wallet:', 'Work with records:', 'Try it on this machine:', 'Examples:', 'Exit codes:']) {
    assert.match(stdout, part)
  }
  assert.match(stdout, /\n {4}6 {2}key, passphrase or permission/)
})

test('version as text and as JSON', async () => {
  const [text, json, flag] = await Promise.all([runCli(['version']), runCli(['version', '--json']), runCli(['--version'])])
  const value = JSON.parse(json!.stdout)
  assert.is(value.schemaVersion, 1)
  assert.match(value.epione, /^\d+\.\d+\.\d+/)
  assert.is(value.node, process.versions.node)
  assert.match(text!.stdout, new RegExp(`^epione +${value.epione}\n`))
  assert.is(flag!.stdout, `${value.epione}\n`)
})

test('a stack is printed with EPIONE_DEBUG=1 alone', async () => {
  const line = ['config', 'show', '--log-level', 'loud']
  const [plain, debug] = await Promise.all([runCli(line), runCli(line, { env: { EPIONE_DEBUG: '1' } })])
  assert.not.match(plain!.stderr, '    at ')
  assert.match(debug!.stderr, '    at ')
  assert.equal([plain!.code, debug!.code], [3, 3])
})

test('completion: scripts for bash and zsh, and what may follow', async () => {
  const [bash, zsh, commands, options, nested] = await Promise.all([
    runCli(['completion', 'bash']),
    runCli(['completion', 'zsh']),
    runCli(['complete', '--', 'wal']),
    runCli(['complete', '--', 'record', 'put', '--cl']),
    runCli(['complete', '--', 'testnet', '']),
  ])
  assert.match(bash!.stdout, 'complete -F __epione_complete epione')
  assert.match(zsh!.stdout, '#compdef epione')
  assert.match(commands!.stdout, /^wallet\t/m)
  assert.match(options!.stdout, /^--class\t/m)
  for (const name of ['up', 'down', 'status', 'logs']) assert.match(nested!.stdout, new RegExp(`^${name}\t`, 'm'))
})

test('a reader that has seen enough is no error', async () => {
  const run = await runCli([], {
    program: ['/bin/sh', '-c', `"$0" "$1" --help | head -n 1`, process.execPath, (await import('./run-cli.ts')).MAIN],
  })
  assert.equal([run.code, run.stdout, run.stderr], [0, 'Usage: epione [options] [command]\n', ''])
})

test.run()
