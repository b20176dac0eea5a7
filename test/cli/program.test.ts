import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EXIT_MEANING, exitCodeOf } from '../../cli/exit-codes.ts'
import { describeError, table } from '../../cli/output.ts'
import { parseDuration, parseId, parseInstant, parseInteger, parseJurisdiction, parseMediaType, parseRole } from '../../cli/parse.ts'
import { buildProgram } from '../../cli/program.ts'
import { MAX_QR_BYTES, qrLines } from '../../cli/qr.ts'
import {
  CLASS_CHOICES,
  EMERGENCY_REASON_CHOICES,
  GROUND_CHOICES,
  LABEL_CHOICES,
  PURPOSE_CHOICES,
  RIGHT_CHOICES,
  SUITE_CHOICES,
} from '../../cli/vocabulary.ts'
import { PURPOSES, RECORD_CLASSES } from '../../src/contracts/consent-terms.ts'
import { GROUNDS, RIGHTS } from '../../src/contracts/delegations-formats.ts'
import { EMERGENCY_REASONS } from '../../src/contracts/emergency-formats.ts'
import { LABELS } from '../../src/contracts/folders-formats.ts'
import { SUITE_NAMES } from '../../src/crypto/sealing-suites.ts'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import { ROOT, staticClosure } from '../laws.ts'

const test = suite('cli program')

function program(): Command {
  const { stdin, stdout, stderr } = process
  return buildProgram({ env: {}, stdin, stdout, stderr, signal: new AbortController().signal, exitCode: 0 })
}

/** Every command that does something, by its words. */
function leaves(command: Command, words: string[] = []): [string, Command][] {
  if (command.commands.length === 0) return [[words.join(' '), command]]
  return command.commands.flatMap(one => leaves(one, [...words, one.name()]))
}

test('all commands are there', () => {
  assert.equal(
    leaves(program())
      .map(([words]) => words)
      .sort(),
    [
      'access log',
      'access verify',
      'access watch',
      'checkpoint',
      'completion',
      'config show',
      'config validate',
      'consent export',
      'consent grant',
      'consent import',
      'consent list',
      'consent preview',
      'consent revoke',
      'custodians',
      'delegate grant',
      'delegate list',
      'delegate offer',
      'delegate revoke',
      'dispute answer',
      'dispute list',
      'dispute notify',
      'dispute open',
      'dispute status',
      'dispute withdraw',
      'emergency card',
      'emergency cases',
      'emergency deposit',
      'emergency list',
      'emergency open',
      'emergency review',
      'emergency status',
      'emergency watch',
      'emergency withdraw',
      'enroll accept',
      'enroll hand-over',
      'enroll list',
      'enroll offer',
      'enroll open',
      'enroll take-over',
      'erase-all',
      'export create',
      'export verify',
      'folder rotate-key',
      'folder rotate-owner',
      'genesis create',
      'init',
      'keys card',
      'keys create',
      'keys show',
      'members list',
      'members proposals',
      'members rotate-keys',
      'members vote admit',
      'members vote remove',
      'members vote reweigh',
      'notices acknowledge',
      'notices list',
      'peers',
      'record erase',
      'record erasure',
      'record get',
      'record history',
      'record list',
      'record move',
      'record put',
      'record restrict',
      'record unrestrict',
      'record verify',
      'recovery cancel',
      'recovery combine',
      'recovery finish',
      'recovery open-share',
      'recovery shares',
      'recovery sheet',
      'recovery start',
      'recovery status',
      'recovery veto',
      'recovery watch',
      'sharing list',
      'sharing revoke',
      'staff add',
      'staff list',
      'staff remove',
      'start',
      'status',
      'testnet byzantine',
      'testnet clock',
      'testnet delay',
      'testnet disk-full',
      'testnet down',
      'testnet drop',
      'testnet heal',
      'testnet kill',
      'testnet logs',
      'testnet partition',
      'testnet pause',
      'testnet report',
      'testnet restart',
      'testnet resume',
      'testnet run',
      'testnet scenarios',
      'testnet slow-disk',
      'testnet start',
      'testnet status',
      'testnet stop',
      'testnet up',
      'testnet watch',
      'version',
      'wallet create',
      'wallet pair answer',
      'wallet pair finish',
      'wallet pair request',
      'wallet restore',
      'wallet show',
    ],
  )
})

test('each has a summary and examples, and each example names the command', () => {
  for (const [words, command] of leaves(program())) {
    assert.ok(command.summary().length > 5, words)
    let help = ''
    command.configureOutput({ writeOut: text => (help += text) })
    command.outputHelp()
    const examples = help.split('Examples:\n')[1] ?? ''
    assert.match(examples, /^ {2}\$ /, words)
    for (const line of examples.trimEnd().split('\n')) assert.match(line, `epione ${words.replace(/ show$/, '')}`)
  }
})

test('help and errors of usage load no network, no store, no schema library', () => {
  const { files, packages } = staticClosure('cli/main.ts', path => readFileSync(join(ROOT, path), 'utf8'))
  assert.ok(files.has('cli/program.ts') && files.has('src/node/settings.ts'))
  assert.equal(
    [...packages].filter(name => !name.startsWith('node:')),
    ['commander'],
  )
  const loaded = [...files].filter(path => path.startsWith('src/') || path.startsWith('testnet/') || path.startsWith('cli/commands/'))
  assert.equal(loaded.sort(), ['src/encoding/bytes.ts', 'src/encoding/errors.ts', 'src/encoding/platform.ts', 'src/node/settings.ts'])
})

test('the words of options are those of the contracts', () => {
  assert.equal(LABEL_CHOICES, LABELS)
  assert.equal(PURPOSE_CHOICES, PURPOSES)
  assert.equal(CLASS_CHOICES, RECORD_CLASSES)
  assert.equal(SUITE_CHOICES, [...SUITE_NAMES.keys()])
  assert.equal(EMERGENCY_REASON_CHOICES, EMERGENCY_REASONS)
  assert.equal([GROUND_CHOICES, RIGHT_CHOICES], [GROUNDS, RIGHTS])
})

test('exit codes', () => {
  assert.equal(
    EXIT_MEANING.map(([code]) => code),
    [0, 1, 2, 3, 4, 5, 6, 7, 130],
  )
  for (const [code, exit] of [
    ['anything-else', 1],
    ['unknown-option', 2],
    ['config-invalid', 3],
    ['unreachable', 4],
    ['stale', 5],
    ['wrong-passphrase', 6],
    ['malformed', 7],
    ['interrupted', 130],
  ] as const) {
    assert.is(exitCodeOf(code), exit, code)
  }
})

test('errors that were not thrown on purpose', () => {
  assert.equal(describeError(new EpioneError('a-code', 'A sentence')), { code: 'a-code', message: 'A sentence', metadata: {} })
  assert.is(describeError(new TypeError('x is not a function')).code, 'internal')
  assert.is(describeError(Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' })).code, 'system-enospc')
  assert.is(describeError(new DOMException('x', 'AbortError')).code, 'interrupted')
  assert.is(describeError('text').code, 'internal')
})

test('parsers of options', () => {
  assert.is(parseDuration('30d'), 30 * 86_400_000)
  assert.is(parseDuration('90s'), 90_000)
  assert.is(parseInstant('2031-05-01'), Date.UTC(2031, 4, 1))
  assert.is(parseInstant('2031-05-01T10:00+02:00'), Date.UTC(2031, 4, 1, 8))
  assert.is(parseInstant('2028-02-29'), Date.UTC(2028, 1, 29))
  assert.is(parseInteger(1, 9)('9'), 9)
  assert.is(parseId('AB'.repeat(32)), 'ab'.repeat(32))
  assert.is(parseMediaType('Application/PDF'), 'application/pdf')
  assert.is(parseJurisdiction('ke'), 'KE')
  for (const [parse, texts] of [
    [parseDuration, ['', '30', 'd', '-1d', '1.5h', '1 d', '1month']],
    [parseInstant, ['', 'tomorrow', '2031-5-1', '2031-02-30', '2031-13-01', '2027-02-29', '2031-05-01T10:00', '01/05/2031']],
    [parseInteger(1, 9), ['', '0', '10', '1.5', '-1', '1e0', ' 1', '0x1']],
    [parseId, ['', 'ab', 'g'.repeat(64), 'ab'.repeat(33)]],
    [parseMediaType, ['', 'pdf', 'a/b/c', 'a/', 'text/plain; charset=utf-8']],
    [parseRole, ['', 'Nurse', '-a', 'a b']],
    [parseJurisdiction, ['', 'K', 'KEN', 'K1']],
  ] as [(text: string) => unknown, string[]][]) {
    for (const text of texts) {
      let code = ''
      try {
        parse(text)
      } catch (error) {
        code = (error as { code: string }).code
      }
      assert.is(code, 'commander.invalidArgument', text)
    }
  }
})

test('tables and QR codes', async () => {
  assert.equal(
    table([
      ['a', 'bb', 'c'],
      ['aaa', 'b', 'cc'],
    ]),
    ['a    bb  c', 'aaa  b   cc'],
  )
  const lines = await qrLines('epione')
  // 21 modules and a border in each direction, two rows of modules in a line.
  assert.ok(lines.length >= 11 && lines.every(line => line.length === 23), lines.join('\n'))
  assert.ok((await qrLines('x'.repeat(MAX_QR_BYTES))).length > 70)
  let code = ''
  await qrLines('x'.repeat(MAX_QR_BYTES + 1)).catch(error => {
    code = errorCode(error)
  })
  assert.is(code, 'too-large')
})

test.run()
