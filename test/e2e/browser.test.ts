/** The codec in a real browser: the same bytes as in Node, the same refusals, and memory that stays flat. */
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bundle, type OpenPage, openPage } from '../../testnet/browser/chromium.ts'
import type { CodecPage } from './browser/codec-page.ts'
import { CODES, code, flip, seal, stream } from './browser/codec-work.ts'

const test = suite('the codec in a browser')

const MB = 1_000_000
const STREAMED_BYTES = 64 * MB
/** What a page may take more while it streams: less than half of what passes through it. */
const FLAT_BYTES = 32 * MB

declare const codec: CodecPage
declare const onPiece: (bytes: number) => Promise<void>

const script = await bundle(join(import.meta.dirname, 'browser', 'codec-page.ts'))
const opened = await openPage(script.script)
const reason = 'reason' in opened ? opened.reason : undefined
if (reason !== undefined) process.stdout.write(`» skipped, for no browser starts here: ${reason.replaceAll('\n', ' / ')}\n`)
/** A test that needs the browser. */
const inBrowser = (name: string, body: (open: OpenPage) => Promise<void>): void => {
  if ('reason' in opened) test.skip(name, () => undefined)
  else test(name, async () => await body(opened))
}

test('its bundle has the browser’s platform in the place of Node’s, and nothing of Node', () => {
  const platforms = script.inputs.filter(path => /^src\/.*platform/.test(path)).sort()
  assert.equal(platforms, ['src/crypto/platform.browser.ts', 'src/encoding/platform.browser.ts'])
  assert.ok(script.inputs.includes('src/fragments/erasure.ts') && script.inputs.includes('src/crypto/object-stream.ts'))
  assert.equal(
    script.imports.filter(({ external }) => external),
    [],
  )
})

inBrowser('any k of n give the same bytes and roots as in Node', async ({ page, errors }) => {
  await page.waitForFunction(() => document.title === 'ready')
  assert.ok(await page.evaluate(() => codec.isStrict), 'the page may run no text as code, and WebAssembly all the same')
  for (const seed of [1, 2]) {
    const [there, here] = [await page.evaluate(seed => codec.code(seed), seed), await code(seed)]
    assert.is(here.length, 4 * CODES.length)
    assert.equal(there, here)
    for (const { decoded, data } of there) assert.is(decoded, data)
  }
  assert.equal(errors, [])
})

inBrowser('a flipped byte is found, and who sent it is named', async ({ page, errors }) => {
  for (const seed of [1, 2]) {
    const there = await page.evaluate(seed => codec.flip(seed), seed)
    assert.equal(there, await flip(seed))
    for (const { flipped, named, isRight, alone } of there) {
      assert.ok(isRight)
      assert.ok(named.length > 0 && named.every(index => index === flipped))
      assert.is(alone, `corrupt-fragment of ${flipped}`)
    }
  }
  assert.equal(errors, [])
})

inBrowser('objects encrypt to the same bytes as in Node, and decrypt', async ({ page, errors }) => {
  const there = await page.evaluate(seed => codec.seal(seed), 3)
  assert.equal(there, await seal(3))
  for (const { plaintext, opened, damaged } of there) assert.equal([opened, damaged], [plaintext, 'decryption-failed'])
  assert.equal(errors, [])
})

inBrowser('64 MB pass through in pieces, with flat memory', async ({ page, errors, memory, version }) => {
  const seen: { bytes: number; memory: number }[] = []
  await page.exposeFunction('onPiece', (bytes: number) => seen.push({ bytes, memory: memory() ?? 0 }))
  const there = await page.evaluate(async length => await codec.stream(length, 7, 3, bytes => onPiece(bytes)), STREAMED_BYTES)
  const here = await stream(STREAMED_BYTES, 7, 3, () => undefined)
  assert.is(there.root, here.root)
  assert.equal([there.plaintext, there.opened], [here.plaintext, here.plaintext])
  assert.equal([there.pieces, there.longest], [Math.ceil(STREAMED_BYTES / 262_144), 262_144])
  assert.equal(
    seen.map(({ bytes }) => bytes),
    Array.from({ length: there.pieces }, (_, i) => Math.min(STREAMED_BYTES, (i + 1) * 262_144)),
  )
  // The first quarter is for the engine to take what it works with.
  const [early, late] = [seen.slice(0, seen.length / 4), seen.slice(seen.length / 4)].map(part => Math.max(...part.map(one => one.memory)))
  const grown = (late as number) - (early as number)
  if (memory() !== undefined) assert.ok(grown < FLAT_BYTES, `memory grew by ${grown} bytes`)
  const rate = (ms: number): string => `${(STREAMED_BYTES / 1000 / ms).toFixed(1)} MB/s`
  const figures = [
    `Chromium ${version}, 64 MB at 3 of 7: encrypt and code ${rate(there.rootsMs)}, with reading and decrypting ${rate(there.readMs)}`,
    `in Node ${rate(here.rootsMs)} and ${rate(here.readMs)}; page at most ${Math.round((early as number) / MB)} MB in the first quarter, ${Math.round((late as number) / MB)} MB after`,
    ...(await page.evaluate(async () => await codec.speeds(100))).map(
      ({ what, megabytesPerSecond }) => `${what}: ${megabytesPerSecond.toFixed(0)} MB/s`,
    ),
  ]
  process.stdout.write(`\n${figures.map(line => `» ${line}\n`).join('')}`)
  assert.equal(errors, [])
})

test.after(async () => {
  if (!('reason' in opened)) await opened[Symbol.asyncDispose]()
})

test.run()
