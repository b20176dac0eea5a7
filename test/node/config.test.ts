import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { errorCode } from '../../src/encoding/errors.ts'
import {
  type ConfigSources,
  configTemplate,
  formatByteSize,
  loadConfig,
  loadHomeConfig,
  parseByteSize,
  unknownEnvironment,
} from '../../src/node/config.ts'
import { SETTING_NAMES, SETTINGS } from '../../src/node/settings.ts'
import { throwsCode } from '../encoding/throws.ts'

const test = suite('node config')
const file = (text: string) => ({ path: '/srv/e/config.yaml', text })
const PEER = '/ip4/10.0.0.1/tcp/7700/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'

/** The lines of the error that these sources give. */
function problems(sources: ConfigSources): string[] {
  try {
    loadConfig(sources)
  } catch (error) {
    assert.is(errorCode(error), 'config-invalid')
    return (error as Error).message.split('\n')
  }
  return []
}

test('defaults are valid and say so', () => {
  const { config, origins } = loadConfig({})
  assert.is(config.home, join(homedir(), '.epione'))
  assert.is(config.passphraseFile, null)
  assert.equal(config.listen, ['/ip4/0.0.0.0/tcp/7700', '/ip4/0.0.0.0/tcp/7701/ws'])
  assert.is(config.logLevel, 'info')
  assert.ok(SETTING_NAMES.every(name => origins[name].source === 'default'))
})

test('flag over environment over file over default', () => {
  const sources = {
    flags: { logLevel: 'debug' },
    env: { EPIONE_LOG_LEVEL: 'warn', EPIONE_LIGHT_CONNECTIONS: '7', EPIONE_LISTEN: '' },
    file: file('logLevel: error\nlightConnections: 9\nlisten:\n  - /ip4/127.0.0.1/tcp/1\nstorageQuota: 300GiB\n'),
  }
  const { config, origins } = loadConfig(sources)
  assert.equal(
    [config.logLevel, config.lightConnections, config.listen, config.storageQuota],
    ['debug', 7, ['/ip4/127.0.0.1/tcp/1'], 300 * 2 ** 30],
  )
  assert.equal(origins.logLevel, { source: 'flag', at: '--log-level' })
  assert.equal(origins.lightConnections, { source: 'env', at: 'EPIONE_LIGHT_CONNECTIONS' })
  assert.equal(origins.listen, { source: 'file', at: '/srv/e/config.yaml:4:3' })
  assert.equal(origins.storageQuota, { source: 'file', at: '/srv/e/config.yaml:5:15' })
  assert.equal(origins.fragmentQuota, { source: 'default', at: 'default' })
})

test('lists: repeated flags, commas, one text in the file', () => {
  assert.equal(loadConfig({ flags: { bootstrap: [PEER, `${PEER}, ${PEER}`] } }).config.bootstrap, [PEER, PEER, PEER])
  assert.equal(loadConfig({ env: { EPIONE_BOOTSTRAP: `${PEER},${PEER}` } }).config.bootstrap, [PEER, PEER])
  assert.equal(loadConfig({ file: file(`bootstrap: ${PEER}\n`) }).config.bootstrap, [PEER])
})

test('health and metrics are off by default, and need a token where others reach them', () => {
  assert.is(loadConfig({}).config.operations, null)
  assert.is(loadConfig({ file: file('operations: 127.0.0.1:7790\n') }).config.operations, '127.0.0.1:7790')
  const [open, ...others] = problems({ flags: { operations: '0.0.0.0:7790' } })
  assert.match(open ?? '', /^--operations: operations at 0\.0\.0\.0 .*operationsTokenFile/)
  assert.equal(others, [])
  assert.equal(problems({ flags: { operations: '0.0.0.0:7790', operationsTokenFile: '/run/token' } }), [])
  for (const wrong of ['7790', 'example.org:80', '127.0.0.1:99999', ':80']) {
    assert.match(problems({ env: { EPIONE_OPERATIONS: wrong } })[0] ?? '', /^EPIONE_OPERATIONS: operations must be an IP address/, wrong)
  }
})

test('paths are absolute: of flags against the working directory, of the file against its folder', () => {
  assert.is(loadConfig({ flags: { home: 'h' }, cwd: '/w' }).config.home, '/w/h')
  assert.is(loadConfig({ env: { EPIONE_PASSPHRASE_FILE: '~/p' } }).config.passphraseFile, join(homedir(), 'p'))
  assert.is(loadConfig({ file: file('passphraseFile: secret\n'), cwd: '/w' }).config.passphraseFile, '/srv/e/secret')
})

test('errors name file, line and column, all at once', () => {
  assert.equal(
    problems({
      file: file('logLevel: loud\nlistne: x\n\nlightConnections: 1.5\nbootstrap: [/ip4/10.0.0.1/tcp/7700, nonsense]\nhome: /x\n'),
    }),
    [
      '/srv/e/config.yaml:2:1: there is no setting listne (did you mean listen?)',
      '/srv/e/config.yaml:6:1: home cannot be set in the file: it says where this file is',
      '/srv/e/config.yaml:1:11: logLevel must be one of trace, debug, info, warn, error, silent',
      '/srv/e/config.yaml:5:12: bootstrap (item 1) must end in /p2p/<peer id>',
      '/srv/e/config.yaml:5:12: bootstrap (item 2) must be a multiaddr such as /ip4/0.0.0.0/tcp/7700',
      '/srv/e/config.yaml:5:12: bootstrap (item 2) must end in /p2p/<peer id>',
      '/srv/e/config.yaml:4:19: lightConnections must be a whole number',
    ],
  )
})

test('errors of flags and environment name them', () => {
  assert.equal(problems({ flags: { logLevel: 'loud' } }), ['--log-level: logLevel must be one of trace, debug, info, warn, error, silent'])
  assert.equal(problems({ env: { EPIONE_LIGHT_CONNECTIONS: 'many' } }), [
    'EPIONE_LIGHT_CONNECTIONS: lightConnections must be a whole number',
  ])
  assert.equal(problems({ env: { EPIONE_LIGHT_CONNECTIONS: '-1' } }), ['EPIONE_LIGHT_CONNECTIONS: lightConnections must be a whole number'])
  assert.match(problems({ flags: { storageQuota: 'lots' } }).join(), '--storage-quota: storageQuota must be a number of bytes')
  assert.match(
    problems({ flags: { storageQuota: '1GiB' } }).join(),
    '--storage-quota: fragmentQuota (192GiB) must not be above storageQuota (1GiB)',
  )
  assert.equal(problems({ file: file('listen: []\n') }), ['/srv/e/config.yaml:1:9: listen needs at least one address'])
})

test('files that are no settings', () => {
  assert.match(problems({ file: file('- a\n- b\n') }).join(), /config\.yaml:1:1: the file must hold settings/)
  assert.match(problems({ file: file('logLevel: info\nlogLevel: warn\n') }).join(), /config\.yaml:2:1: .*unique/)
  assert.match(problems({ file: file('listen: [\n') }).join(), /config\.yaml:\d+:\d+: /)
  assert.match(problems({ file: file('listen: !!js/function x\n') }).join(), /config\.yaml:1:9: /)
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nlisten: [*b,*b,*b,*b,*b,*b,*b,*b]\n`
  assert.match(problems({ file: file(bomb) }).join(), 'alias')
  for (const text of ['', '# nothing\n', 'listen:\n']) assert.equal(problems({ file: file(text) }), [])
})

test('the home decides which file is read', async () => {
  const home = mkdtempSync(join(tmpdir(), 'epione-config-'))
  try {
    assert.is((await loadHomeConfig({ flags: { home } })).file, null)
    writeFileSync(join(home, 'config.yaml'), 'logLevel: warn\n')
    const byFlag = await loadHomeConfig({ flags: { home }, env: { EPIONE_HOME: '/nowhere' } })
    assert.equal(byFlag.origins.logLevel, { source: 'file', at: `${join(home, 'config.yaml')}:1:11` })
    assert.is((await loadHomeConfig({ env: { EPIONE_HOME: home } })).config.logLevel, 'warn')
    writeFileSync(join(home, 'config.yaml'), '#'.repeat(300_000))
    let code = ''
    await loadHomeConfig({ flags: { home } }).catch(error => {
      code = errorCode(error)
    })
    assert.is(code, 'file-too-large')
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
})

test('the template is a valid file that changes nothing but what it sets', () => {
  assert.equal(loadConfig({ file: file(configTemplate()) }).config, loadConfig({}).config)
  const { config, origins } = loadConfig({ file: file(configTemplate({ listen: ['/ip4/127.0.0.1/tcp/7710'], storageQuota: 2 ** 40 })) })
  assert.equal([config.listen, config.storageQuota], [['/ip4/127.0.0.1/tcp/7710'], 2 ** 40])
  assert.is(origins.storageQuota.source, 'file')
  const uncommented = configTemplate().replaceAll(/^# (\w+: .+)$/gm, '$1')
  assert.equal(loadConfig({ file: file(uncommented) }).config, loadConfig({}).config)
  assert.is(loadConfig({ file: file(uncommented) }).origins.lightBytesPerSecond.source, 'file')
})

test('a node that forgets blocks makes snapshots', () => {
  const env = { EPIONE_RETAIN_HOURS: '24' }
  assert.is(loadConfig({ env }).config.retainHours, 24)
  const error = throwsCode(() => loadConfig({ env, flags: { snapshotInterval: '0' } }), 'config-invalid')
  assert.match(error.message, 'snapshotInterval must not be 0')
  assert.is(loadConfig({ flags: { snapshotInterval: '0' } }).config.snapshotInterval, 0)
})

test('sizes', () => {
  for (const [text, bytes] of [
    ['0', 0],
    ['512', 512],
    ['1GiB', 2 ** 30],
    ['1.5 kb', 1500],
    ['2TB', 2e12],
  ] as const)
    assert.is(parseByteSize(text), bytes)
  for (const text of ['', 'GiB', '-1', '1e9', '1 parsec', '99999999TiB']) assert.is(parseByteSize(text), undefined)
  for (const bytes of [0, 1, 1000, 1024, 3 * 2 ** 30, 2 ** 40]) assert.is(parseByteSize(formatByteSize(bytes)), bytes)
})

test('names are distinct; unknown environment names are noticed', () => {
  const all = SETTING_NAMES.map(name => SETTINGS[name])
  assert.is(new Set(all.map(one => one.env)).size, all.length)
  assert.is(new Set(all.map(one => one.flag)).size, all.length)
  assert.equal(unknownEnvironment({ EPIONE_LISTN: 'x', EPIONE_HOME: 'x', EPIONE_PASSPHRASE: 'x', PATH: 'x', EPIONE_ZZZZZZZ: 'x' }), [
    'nothing reads the environment variable EPIONE_LISTN (did you mean EPIONE_LISTEN?)',
    'nothing reads the environment variable EPIONE_ZZZZZZZ',
  ])
})

test.run()
