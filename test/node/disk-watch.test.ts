/** Room on the disk: warned of early, fragments refused before it is used up, and taken again by itself. */
import { tmpdir } from 'node:os'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type DiskSpace, DiskWatch, type DiskWatchOptions, statDisk } from '../../src/node/disk-watch.ts'
import { throwsCode } from '../encoding/throws.ts'

const test = suite('disk watch')
const GIB = 2 ** 30

/** A watch over disks that are as full as is said; `lines` are its log. */
function watched(disks: Record<string, DiskSpace>, options: Partial<DiskWatchOptions> = {}) {
  const lines: string[] = []
  const line = (level: string) => (_: object, message: string) => void lines.push(`${level}: ${message}`)
  const logger = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }
  const state = { fails: false, lines }
  const watch = new DiskWatch(
    { dirs: Object.keys(disks), minFreeBytes: null, ...options },
    {
      logger,
      statDisk: async dir => {
        if (state.fails) throw new Error('no such call')
        return { ...(disks[dir] as DiskSpace) }
      },
    },
  )
  return { watch, state }
}

test('it warns at twice the reserve, refuses below it, and takes again with a margin; each is said once', async () => {
  const disk = { freeBytes: 100 * GIB, totalBytes: 200 * GIB }
  const { watch, state } = watched({ a: disk })
  const steps: [number, string, number][] = [
    [100, 'ok', 0],
    [20, 'ok', 0],
    [19.9, 'nearly-full', 1],
    [10, 'nearly-full', 1],
    [9.9, 'read-only', 2],
    [2, 'read-only', 2],
    // Back only with a quarter of the reserve more: 12.5 GiB, and 22.5 GiB.
    [12.4, 'read-only', 2],
    [12.5, 'nearly-full', 3],
    [10, 'nearly-full', 3],
    [22.4, 'nearly-full', 3],
    [22.5, 'ok', 4],
    [9, 'read-only', 5],
    [50, 'ok', 6],
  ]
  for (const [free, expected, lines] of steps) {
    disk.freeBytes = free * GIB
    await watch.look()
    assert.equal([watch.report()?.state, state.lines.length], [expected, lines], `${free} GiB free: ${state.lines.join('\n')}`)
    if (expected === 'read-only') throwsCode(() => watch.reserve(1), 'read-only')
    else watch.reserve(0)()
  }
  assert.equal(
    state.lines.map(text => text.split(':')[0]),
    ['warn', 'error', 'info', 'info', 'error', 'info'],
  )
})

test('the reserve is a twentieth of the disk and 1 GiB at least, or what the operator says', async () => {
  const small = watched({ a: { freeBytes: 8 * GIB, totalBytes: 10 * GIB } })
  const large = watched({ a: { freeBytes: 8 * GIB, totalBytes: 1000 * GIB } })
  const own = watched({ a: { freeBytes: 8 * GIB, totalBytes: 1000 * GIB } }, { minFreeBytes: 3 * GIB })
  for (const { watch } of [small, large, own]) await watch.look()
  assert.equal(
    [small, large, own].map(({ watch }) => [watch.report()?.reserveBytes, watch.report()?.state]),
    [
      [GIB, 'ok'],
      [50 * GIB, 'read-only'],
      [3 * GIB, 'ok'],
    ],
  )
})

test('of several disks the one counts that lacks most', async () => {
  const { watch } = watched({ a: { freeBytes: 9 * GIB, totalBytes: 10 * GIB }, b: { freeBytes: 20 * GIB, totalBytes: 1000 * GIB } }, {})
  await watch.look()
  assert.equal([watch.report()?.freeBytes, watch.report()?.state], [20 * GIB, 'read-only'])
})

test('writers at the same time do not count on the same room, nor on what was written since the last look', async () => {
  const disk = { freeBytes: 1000, totalBytes: 2000 }
  const { watch } = watched({ a: disk }, { minFreeBytes: 100 })
  await watch.look()
  // What was given up before anything was written leaves its room at once.
  watch.reserve(900)(0)
  const first = watch.reserve(500)
  throwsCode(() => watch.reserve(401), 'disk-full')
  const second = watch.reserve(400)
  second()
  second()
  throwsCode(() => watch.reserve(401), 'disk-full')
  // The disk knows of what was written: 400 bytes.
  disk.freeBytes = 600
  await watch.look()
  throwsCode(() => watch.reserve(1), 'disk-full')
  first()
  disk.freeBytes = 600
  await watch.look()
  watch.reserve(500)()
})

test('a disk that cannot be asked is said once, and refuses nobody', async () => {
  const { watch, state } = watched({ a: { freeBytes: 1, totalBytes: 100 * GIB } })
  state.fails = true
  await watch.look()
  await watch.look()
  assert.equal([watch.report(), state.lines.length], [null, 1])
  watch.reserve(GIB)()
  state.fails = false
  await watch.look()
  assert.is(watch.report()?.state, 'read-only')
})

test('the system tells the room of a folder', async () => {
  const { freeBytes, totalBytes } = await statDisk(tmpdir())
  assert.ok(Number.isSafeInteger(freeBytes) && totalBytes >= freeBytes && totalBytes > 0)
})

test.run()
