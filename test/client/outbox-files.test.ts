/** Entries that outlive their process: whole or not at all, for one process at a time. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openOutboxStore } from '../../src/client/outbox-files.ts'
import { rejectsCode } from '../encoding/throws.ts'

const test = suite('outbox on disk')
const dir = mkdtempSync(join(tmpdir(), 'epione-outbox-'))
test.after(() => rmSync(dir, { recursive: true, force: true }))
const SOURCE = join(import.meta.dirname, '..', '..', 'src', 'client', 'outbox-files.ts')

test('what was saved is there when it is opened again, and what was removed is not', async () => {
  const place = join(dir, 'kept')
  const store = await openOutboxStore(place)
  await store.save('000000000001', Uint8Array.of(1, 2))
  await store.save('000000000002', Uint8Array.of(3))
  await store.save('000000000001', Uint8Array.of(4, 5, 6))
  await store.remove('000000000002')
  await store.remove('000000000003')
  await rejectsCode(openOutboxStore(place), 'outbox-in-use')
  await store.close()
  writeFileSync(join(place, '000000000009.tmp~'), 'half')
  const again = await openOutboxStore(place)
  assert.equal(await again.names(), ['000000000001'])
  assert.equal([await again.load('000000000001'), await again.load('000000000002')], [Uint8Array.of(4, 5, 6), null])
  assert.not.ok(readdirSync(place).includes('000000000009.tmp~'))
  for (const name of ['', '../out', '.lock', 'a/b', 'x'.repeat(70)]) await rejectsCode(again.save(name, Uint8Array.of(1)), 'storage-failed')
  await again.close()
})

test('the lock of a process that was killed is taken over; of one that lives it is not', async () => {
  const place = join(dir, 'killed')
  const program = `const { openOutboxStore } = await import(${JSON.stringify(SOURCE)})
    const store = await openOutboxStore(${JSON.stringify(place)})
    await store.save('000000000007', Uint8Array.of(7))
    process.stdout.write('open')
    setInterval(() => undefined, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise(resolve => child.stdout.once('data', resolve))
  await rejectsCode(openOutboxStore(place), 'outbox-in-use')
  const ended = new Promise(resolve => child.once('close', resolve))
  child.kill('SIGKILL')
  await ended
  const store = await openOutboxStore(place)
  assert.equal(await store.load('000000000007'), Uint8Array.of(7))
  await store.close()
})

test('a folder that cannot be made is told', async () => {
  writeFileSync(join(dir, 'file'), '')
  await rejectsCode(openOutboxStore(join(dir, 'file', 'below')), 'storage-failed')
})

test.run()
