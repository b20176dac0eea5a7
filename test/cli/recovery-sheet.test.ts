import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MAX_QR_BYTES, qrLines, qrModules } from '../../cli/qr.ts'
import { recoverySheet, shareSheet, sheetHtml, sheetText, writeSheet } from '../../cli/recovery-sheet.ts'
import { encodeKit } from '../../src/client/recovery-kit.ts'
import { seedToPhrase } from '../../src/crypto/wallet.ts'
import { seedOf } from '../node/cluster.ts'

const test = suite('recovery sheets')
const dir = mkdtempSync(join(tmpdir(), 'epione-sheet-'))
test.after(() => rmSync(dir, { recursive: true, force: true }))

const phrase = seedToPhrase(seedOf('recovery'))
const kit = encodeKit({ seed: seedOf('owner'), recoveryKeyHashes: [] }, seedOf('recovery'))

/** The finder pattern that three corners of a code have. */
const FINDER = ['1111111', '1000001', '1011101', '1011101', '1011101', '1000001', '1111111']

test('the modules are those of a code, as the terminal shows it', async () => {
  const rows = await qrModules(phrase)
  const side = rows.length
  assert.ok(rows.every(row => row.length === side) && (side - 2 - 17) % 4 === 0, `${side} modules with the margin`)
  const at = (top: number, left: number): string[] =>
    FINDER.map((_, y) => FINDER.map((_, x) => (rows[top + y]?.[left + x] === true ? '1' : '0')).join(''))
  for (const corner of [at(1, 1), at(1, side - 8), at(side - 8, 1)]) assert.equal(corner, FINDER)
  // The terminal's lines hold two rows each, light as full blocks.
  const lines = (await qrLines(phrase)).slice(1)
  for (let y = 1; y < side - 2; y += 2) {
    const line = lines[(y - 1) / 2] ?? ''
    for (let x = 1; x < side - 1; x++) {
      const pair = `${rows[y]?.[x] === true ? 1 : 0}${rows[y + 1]?.[x] === true ? 1 : 0}`
      assert.is(line[x], { '00': '█', '01': '▀', '10': '▄', '11': ' ' }[pair], `row ${y}, column ${x}`)
    }
  }
})

test('a sheet says what it is for, has a code for each part, and loads nothing', async () => {
  const sheet = recoverySheet(phrase, kit)
  const html = await sheetHtml(sheet)
  assert.is(html.match(/<svg /g)?.length, 2)
  assert.not.match(html, /src=|href=|url\(|@import|<script/)
  assert.match(html, "default-src 'none'")
  const text = sheetText(sheet)
  for (const word of phrase.split(' ')) assert.match(text, word)
  assert.is(text.replaceAll(/\s/g, '').includes(kit), true)
})

test('names are text, and what is too long for a code is still there to be read', async () => {
  const share = { number: 1, count: 3, threshold: 2, guardian: '<b>"Bela" & Co', text: 'x'.repeat(MAX_QR_BYTES + 1) }
  const html = await sheetHtml(shareSheet(share))
  assert.match(html, '&lt;b&gt;&quot;Bela&quot; &amp; Co')
  assert.not.match(html, '<svg')
  assert.is(html.replaceAll('\n', '').includes(share.text), true)
})

test('it is written for its user alone', async () => {
  for (const name of ['sheet.html', 'sheet.txt']) {
    const file = join(dir, name)
    await writeSheet(file, recoverySheet(phrase, kit))
    assert.is(statSync(file).mode & 0o777, 0o600)
    assert.is(readFileSync(file, 'utf8').startsWith('<!doctype html>'), name.endsWith('html'))
  }
})

test.run()
