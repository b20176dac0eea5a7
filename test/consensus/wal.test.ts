import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { crc32c } from '../../src/consensus/crc32c.ts'
import { openNodeFile } from '../../src/consensus/node-disk.ts'
import { MAX_WAL_ENTRY_BYTES, WriteAheadLog } from '../../src/consensus/wal.ts'
import { utf8 } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { seeded } from './network.ts'

const test = suite<{ path: string; dir: string }>('write-ahead log')

test.before.each(context => {
  context.dir = mkdtempSync(join(tmpdir(), 'epione-wal-'))
  context.path = join(context.dir, 'wal')
})
test.after.each(context => rmSync(context.dir, { recursive: true, force: true }))

const entries = (n: number): Uint8Array[] => Array.from({ length: n }, (_, i) => utf8(`entry ${i} ${'x'.repeat(i * 7)}`))

/** A log with entries, synced after those at `synced`. */
async function written(path: string, payloads: Uint8Array[], synced: readonly number[]): Promise<void> {
  const wal = new WriteAheadLog(openNodeFile(path))
  for (const [i, payload] of payloads.entries()) {
    wal.append(payload)
    if (synced.includes(i)) await wal.sync()
  }
  wal.close()
}

function replay(path: string): { payloads: Uint8Array[]; code: string } {
  const wal = new WriteAheadLog(openNodeFile(path))
  try {
    return { payloads: wal.replay(), code: 'ok' }
  } catch (error) {
    return { payloads: [], code: errorCode(error) }
  } finally {
    wal.close()
  }
}

test('the checksum is CRC-32C', () => {
  assert.is(crc32c(utf8('123456789')), 0xe3069283)
  assert.is(crc32c(new Uint8Array(32)), 0x8a9136aa)
  assert.is(crc32c(utf8('12345'), utf8('6789')), 0xe3069283)
})

test('what was appended is replayed in order, and more can follow', async ({ path }) => {
  await written(path, entries(5), [4])
  const wal = new WriteAheadLog(openNodeFile(path))
  assert.equal(wal.replay(), entries(5))
  wal.append(utf8('six'))
  await wal.sync()
  wal.close()
  assert.equal(replay(path).payloads, [...entries(5), utf8('six')])
})

test('what was synced last is covered as well: no bit of it flips unseen, though nothing was appended after', async ({ path }) => {
  await written(path, entries(3), [2])
  const bytes = readFileSync(path)
  const random = seeded(7)
  const end = entries(3).reduce((sum, payload) => sum + 12 + payload.length, 0)
  for (let i = 0; i < 60; i++) {
    const flipped = Uint8Array.from(bytes)
    const at = Math.floor(random() * end)
    flipped[at]! ^= 1 << Math.floor(random() * 8)
    writeFileSync(path, flipped)
    assert.is(replay(path).code, 'wal-corrupt', `byte ${at}`)
  }
})

test('whoever asks for a sync waits for the disk, also where another sync of the same entries is under way', async ({ path }) => {
  const file = openNodeFile(path)
  const flushed: Array<() => void> = []
  const wal = new WriteAheadLog({
    get created() {
      return file.created
    },
    size: file.size,
    read: length => file.read(length),
    write: (at, bytes) => file.write(at, bytes),
    truncate: length => file.truncate(length),
    sync: () => new Promise<void>(resolve => flushed.push(resolve)),
    syncNow: () => file.syncNow(),
    close: () => file.close(),
  })
  wal.append(utf8('one'))
  const done: string[] = []
  const both = [wal.sync().then(() => done.push('first')), wal.sync().then(() => done.push('second'))]
  for (let i = 0; i < 20; i++) await Promise.resolve()
  assert.equal(done, [])
  assert.is(flushed.length, 1)
  flushed[0]?.()
  await Promise.all(both)
  assert.equal(done, ['first', 'second'])
  wal.close()
})

test('an empty log replays to nothing', ({ path }) => {
  assert.equal(replay(path), { payloads: [], code: 'ok' })
})

test('a torn tail that was never synced is cut off, wherever it is torn', async ({ path }) => {
  await written(path, entries(4), [2])
  const whole = readFileSync(path)
  const tail = whole.length - (entries(4)[3]!.length + 12)
  for (let size = tail; size < whole.length; size++) {
    writeFileSync(path, whole.subarray(0, size))
    assert.equal(replay(path), { payloads: entries(3), code: 'ok' })
    assert.is(statSync(path).size, tail)
  }
})

test('garbage and zeros behind the last entry are a torn tail', async ({ path }) => {
  for (const garbage of [new Uint8Array(5000), Uint8Array.of(0, 0, 0, 9, 1, 2, 3)]) {
    rmSync(path, { force: true })
    await written(path, entries(3), [2])
    appendFileSync(path, garbage)
    assert.equal(replay(path), { payloads: entries(3), code: 'ok' })
  }
})

test('any flipped bit below a synced end is corruption', async ({ path }) => {
  await written(path, entries(6), [3])
  const whole = readFileSync(path)
  const syncedEnd = entries(4).reduce((sum, payload) => sum + payload.length + 12, 0)
  for (let bit = 0; bit < syncedEnd * 8; bit += 3) {
    const flipped = Uint8Array.from(whole)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    writeFileSync(path, flipped)
    assert.is(replay(path).code, 'wal-corrupt', `bit ${bit}`)
  }
})

test('a hole in what was never synced is no corruption: it ends the log', async ({ path }) => {
  await written(path, entries(6), [1])
  const whole = Uint8Array.from(readFileSync(path))
  const third = entries(3).reduce((sum, payload) => sum + payload.length + 12, 0)
  whole[third - 1]! ^= 1
  writeFileSync(path, whole)
  assert.equal(replay(path), { payloads: entries(2), code: 'ok' })
})

test('reset empties it', async ({ path }) => {
  await written(path, entries(5), [4])
  const wal = new WriteAheadLog(openNodeFile(path))
  wal.replay()
  wal.reset()
  wal.append(utf8('new'))
  wal.close()
  assert.equal(replay(path).payloads, [utf8('new')])
})

test('entries and the whole are bounded', ({ path }) => {
  const wal = new WriteAheadLog(openNodeFile(path), { maxBytes: 1000 })
  const code = (payload: Uint8Array): string => {
    try {
      wal.append(payload)
    } catch (error) {
      return errorCode(error)
    }
    return 'ok'
  }
  assert.is(code(new Uint8Array(0)), 'wal-entry-size')
  assert.is(code(new Uint8Array(MAX_WAL_ENTRY_BYTES + 1)), 'wal-entry-size')
  assert.is(code(new Uint8Array(900)), 'ok')
  assert.is(code(new Uint8Array(100)), 'wal-full')
  wal.close()
  assert.equal(replay(path).payloads, [new Uint8Array(900)])
})

test('random damage never throws anything else and never invents an entry', async ({ path }) => {
  const seed = 5
  const random = seeded(seed)
  await written(path, entries(8), [1, 4])
  const whole = readFileSync(path)
  const known = new Set(entries(8).map(payload => payload.join()))
  for (let run = 0; run < 200; run++) {
    const damaged = Uint8Array.from(whole)
    for (let i = 0; i < 3; i++) damaged[Math.floor(random() * damaged.length)] = Math.floor(random() * 256)
    writeFileSync(path, damaged)
    truncateSync(path, Math.floor(random() * damaged.length))
    const { payloads, code } = replay(path)
    assert.ok(code === 'ok' || code === 'wal-corrupt', `seed ${seed} run ${run}`)
    assert.ok(
      payloads.every(payload => known.has(payload.join())),
      `seed ${seed} run ${run}`,
    )
  }
})

test.run()
