/** The threat table in docs/security.md: each of its claims names tests that exist, and its figures are those of the code. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { THRESHOLDS } from '../testnet/linkage/linkage.ts'
import { ROOT } from './laws.ts'

const ATTACKERS = [
  'curious custodian',
  'f colluding custodians',
  'stolen disk',
  'revoked clinician',
  'stolen patient device',
  'Byzantine validator',
  'network observer',
  'observer of the ledger',
  'malicious light peer',
  'malicious node that serves a light peer',
]

const text = readFileSync(join(ROOT, 'docs/security.md'), 'utf8')
const rows = [...text.slice(text.indexOf('## Where each claim is tested')).matchAll(/^\| ([^|]+?) \| `([^`]+)` \| (.+?) \|$/gm)].map(
  ([, what = '', file = '', titles = '']) => ({ what, file, titles: titles.split(' · ') }),
)

test('each claim names tests that exist', () => {
  for (const { what, file, titles } of rows) {
    const path = join(ROOT, 'test', file)
    assert.ok(existsSync(path), `${what}: ${file}`)
    // Without comments: a test that is only spoken of is none.
    const source = readFileSync(path, 'utf8').replace(/^\s*(?:\/\/|\/?\*).*$/gm, '')
    for (const title of titles) assert.ok(source.includes(title), `${what}: ${file} has no test "${title}"`)
  }
})

test('each attacker has a row and a test, and nobody else has', () => {
  const described = [...text.matchAll(/^\| \*\*(.+?)\*\*/gm)].map(([, name = '']) => name.toLowerCase())
  assert.equal(
    described,
    ATTACKERS.map(name => name.toLowerCase()),
  )
  const tested = new Set(rows.map(({ what }) => what.split(':')[0]))
  assert.equal([...tested], ATTACKERS)
})

test('the ceilings on linking are those that are tested', () => {
  const [all = ''] = /Ceilings on the advantage over guessing, which a test holds: .*/.exec(text) ?? []
  assert.equal(
    [...all.matchAll(/(\d+) %/g)].map(([, percent]) => Number(percent)),
    Object.values(THRESHOLDS).map(part => Math.round(part * 100)),
  )
})

test.run()
