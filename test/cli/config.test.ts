import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runCli } from './run-cli.ts'

const home = mkdtempSync(join(tmpdir(), 'epione-cli-config-'))
const file = join(home, 'config.yaml')
writeFileSync(file, 'lightConnections: 9\nlogLevel: warn\n')
const env = { EPIONE_HOME: home }

const test = suite('cli config')
test.after(() => rmSync(home, { recursive: true, force: true }))

test('show: values in force, with the origin of each', async () => {
  const [json, text] = await Promise.all([
    runCli(['config', 'show', '--origin', '--json', '--listen', '/ip4/127.0.0.1/tcp/1', '--listen', '/ip4/127.0.0.1/tcp/2'], {
      env: { ...env, EPIONE_LOG_LEVEL: 'error' },
    }),
    runCli(['config', 'show', '--origin'], { env }),
  ])
  const { schemaVersion, settings, origins, file: read } = JSON.parse(json!.stdout)
  assert.equal([schemaVersion, read], [1, file])
  assert.equal(
    [settings.listen, settings.logLevel, settings.lightConnections],
    [['/ip4/127.0.0.1/tcp/1', '/ip4/127.0.0.1/tcp/2'], 'error', 9],
  )
  assert.equal(origins.home, { source: 'env', at: 'EPIONE_HOME' })
  assert.equal(origins.listen, { source: 'flag', at: '--listen' })
  assert.equal(origins.lightConnections, { source: 'file', at: `${file}:1:19` })
  assert.match(text!.stdout, new RegExp(`^logLevel +"warn" +${file}:2:11$`, 'm'))
})

test('what show prints is a settings file', async () => {
  const shown = await runCli(['config', 'show'], { env })
  const other = join(home, 'other')
  mkdirSync(other)
  writeFileSync(join(other, 'config.yaml'), shown.stdout)
  const [again, valid] = await Promise.all([
    runCli(['config', 'show', '--home', other]),
    runCli(['config', 'validate', join(other, 'config.yaml'), '--json']),
  ])
  assert.is(again!.stdout.replace(other, home), shown.stdout)
  assert.equal([valid!.code, JSON.parse(valid!.stdout).valid], [0, true])
})

test('validate: exit code 3 and the place of every problem; warnings for names that nothing reads', async () => {
  const bad = join(home, 'bad.yaml')
  writeFileSync(bad, 'logLevel: loud\nlistne: x\n')
  const [invalid, missing, warned] = await Promise.all([
    runCli(['config', 'validate', bad]),
    runCli(['config', 'validate', join(home, 'nowhere.yaml')]),
    runCli(['config', 'validate'], { env: { ...env, EPIONE_LISTN: 'x' } }),
  ])
  assert.is(invalid!.code, 3)
  assert.match(invalid!.stderr, `${bad}:1:11: logLevel must be one of`)
  assert.match(invalid!.stderr, `${bad}:2:1: there is no setting listne (did you mean listen?)`)
  assert.match(invalid!.stderr, '(config-invalid)')
  assert.equal([missing!.code, warned!.code], [3, 0])
  assert.match(warned!.stderr, 'EPIONE_LISTN (did you mean EPIONE_LISTEN?)')
  assert.match(warned!.stdout, 'config.yaml is valid')
})

test.run()
