import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { errorCode } from '../../src/encoding/errors.ts'
import { follow, tailOf } from '../../testnet/launcher/logs.ts'
import { manifestPath, readManifest, requireManifest } from '../../testnet/launcher/manifest.ts'
import { waitFor } from '../../testnet/launcher/wait.ts'

const test = suite('testnet logs and notes')
const dir = mkdtempSync(join(tmpdir(), 'epione-logs-'))
const log = join(dir, 'node.log')
test.after(() => rmSync(dir, { recursive: true, force: true }))

test('the last lines, of short, long and missing files', async () => {
  assert.equal(await tailOf(join(dir, 'none'), 5), [])
  writeFileSync(log, 'a\nb\nc\n')
  assert.equal(await tailOf(log, 2), ['b', 'c'])
  assert.equal(await tailOf(log, 9), ['a', 'b', 'c'])
  assert.equal(await tailOf(log, 0), [])
  writeFileSync(log, `${'x'.repeat(1000)}\n`.repeat(3000))
  assert.equal(
    (await tailOf(log, 2)).map(line => line.length),
    [1000, 1000],
  )
})

test('a followed log gives whole lines, in pieces and after a new beginning', async () => {
  writeFileSync(log, 'old\n')
  const lines: string[] = []
  const stop = new AbortController()
  /** Adds a line until it is given. */
  const append = async (line: string): Promise<void> => {
    await waitFor(
      () => {
        appendFileSync(log, `${line}\n`)
        return lines.includes(line)
      },
      { everyMs: 250 },
    )
  }
  const done = follow(log, line => lines.push(line), stop.signal)
  // What is there when it begins is not given: it has begun once it gives what came after.
  await append('begin')
  appendFileSync(log, 'one\ntw')
  appendFileSync(log, 'o é\n')
  await waitFor(() => lines.includes('two é'))
  truncateSync(log)
  await append('new')
  stop.abort()
  await done
  assert.equal(
    lines.filter(line => line !== 'begin' && line !== 'new'),
    ['one', 'two é'],
  )
})

test('waiting ends with what was found, with the limit, or with the signal', async () => {
  let looks = 0
  assert.is(await waitFor(() => (++looks === 3 ? 'here' : null), { everyMs: 1 }), 'here')
  try {
    await waitFor(() => false, { timeoutMs: 5, everyMs: 1, what: 'the moon' })
    assert.unreachable()
  } catch (error) {
    assert.is(errorCode(error), 'timeout')
    assert.match((error as Error).message, 'the moon')
  }
  const stop = new AbortController()
  const waiting = waitFor(() => false, { signal: stop.signal })
  stop.abort(new Error('enough'))
  try {
    await waiting
    assert.unreachable()
  } catch (error) {
    assert.ok(error instanceof Error && (error.message === 'enough' || error.name === 'AbortError'))
  }
})

test('a folder without a testnet, and one with a broken note', () => {
  assert.is(readManifest(dir), null)
  const code = (run: () => unknown): string => {
    try {
      run()
    } catch (error) {
      return errorCode(error)
    }
    return 'none'
  }
  assert.is(
    code(() => requireManifest(dir)),
    'testnet-missing',
  )
  writeFileSync(manifestPath(dir), '{"schemaVersion":1}')
  assert.is(
    code(() => readManifest(dir)),
    'config-invalid',
  )
})

test.run()
