/** Reading fragments through: what went bad is found, once, and a pass goes on where it stopped. */
import { readdir, readFile, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compareBytes, concat, equalBytes, toHex, u32 } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import type { FragmentStore } from '../../src/fragments/fragment-store.ts'
import { Damages } from '../../src/node/custodian/damages.ts'
import { Holdings } from '../../src/node/custodian/holdings.ts'
import { Pace } from '../../src/node/custodian/pace.ts'
import { Scrubber } from '../../src/node/custodian/scrub.ts'
import type { Submission } from '../../src/node/custodian/submissions.ts'
import { eventually } from './cluster.ts'
import { CustodianWorld, type Held } from './custodian-world.ts'

const test = suite('reading fragments through')

interface Scrub {
  scrubber: Scrubber
  damages: Damages
  /** What was found bad: root and position. */
  found: string[]
}

async function start(world: CustodianWorld, bytesPerSecond = 2 ** 40): Promise<Scrub> {
  const damages = new Damages(world.custody.sublevel('damages'))
  await damages.start()
  const found: string[] = []
  const scrubber = new Scrubber(
    { everyMs: 1_000_000 },
    {
      fragments: world.fragments,
      submissions: world.submissions,
      damages,
      store: world.custody.sublevel('scrub'),
      pace: new Pace(bytesPerSecond),
      onCorrupt: async (root, leaf) => {
        found.push(`${toHex(root)} ${leaf}`)
        await damages.add(root, leaf)
      },
      logger: world.logger,
      now: () => world.clock.now,
    },
  )
  await scrubber.start()
  return { scrubber, damages, found }
}

/** The file of a held fragment. */
async function fileOf(world: CustodianWorld, { metas }: Held, leaf: number): Promise<string> {
  const name = toHex((metas[leaf] as Held['metas'][number]).leaf.dispersalRoot)
  const kept = join(world.dir, 'fragments', 'fragments')
  assert.ok((await readdir(join(kept, name.slice(0, 2)))).includes(name))
  return join(kept, name.slice(0, 2), name)
}

async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path)
  bytes[at] = (bytes[at] as number) ^ 0x10
  await writeFile(path, bytes)
}

test('a flipped bit, a lost file and a cut one are found in one pass, and not again in the next', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [400_000, 50, 300_000, 200_000, 150_000])
  const good = await world.hold('b', [300_000, 70])
  await flip(await fileOf(world, held, 0), 65_536 + 7)
  await unlink(await fileOf(world, held, 2))
  const cut = await fileOf(world, held, 3)
  await writeFile(cut, (await readFile(cut)).subarray(0, 99_000))
  const { scrubber, damages, found } = await start(world)
  await eventually(() => scrubber.report().lastScrub > 0, 'a pass has ended')
  assert.equal(
    found.sort(),
    [0, 2, 3].map(leaf => `${toHex(held.root)} ${leaf}`),
  )
  assert.is(scrubber.report().corruptFound, 3)
  await scrubber.stop()

  // What is known to be bad is known after a restart, too, and counts as missing.
  world.clock.now += 1_000_001
  const again = await start(world)
  await eventually(() => again.scrubber.report().lastScrub === world.clock.now, 'another pass has ended')
  assert.equal(again.found, [])
  const holdings = new Holdings({ ...world, damages: again.damages, now: () => world.clock.now })
  const lacking = async ({ root }: Held): Promise<number[]> =>
    await holdings.lacking(root, (await world.submissions.get(root)) as Submission)
  assert.equal([await lacking(held), await lacking(good)], [[0, 2, 3], []])
  await again.damages.mended(held.root, [0, 2])
  assert.equal(await lacking(held), [3])
  await again.damages.clear(async (root, leaf) => compareBytes(root, held.root) !== 0 || leaf !== 3)
  assert.ok(again.damages.has(held.root, 3))
  await again.damages.clear(async () => true)
  assert.not(again.damages.has(held.root, 3), 'what need not be here any more is no damage')
  assert.ok(damages.has(held.root, 0), 'the former process knows what it knew')
  await again.scrubber.stop()
  assert.equal(world.errors, [])
})

test('a pass that is stopped goes on near where it was', async () => {
  await using world = await CustodianWorld.open()
  const all: Held[] = []
  for (let i = 0; i < 60; i++) all.push(await world.hold(`s ${i}`, [140_000]))
  all.sort((a, b) => compareBytes(a.root, b.root))
  // The first and the last in the order of reading are bad. 70 kB each: a second is enough for about 14 of them.
  await flip(await fileOf(world, all[0] as Held, 0), 3)
  await flip(await fileOf(world, all[59] as Held, 0), 3)
  const first = await start(world, 4_000_000)
  await eventually(() => first.found.length === 1, 'the first is found')
  const reads: Uint8Array[] = []
  await eventually(async () => {
    const stored = await world.custody.sublevel('scrub').get(Uint8Array.of(1))
    return stored !== undefined && stored.length > 40 && toHex(stored).includes(toHex((all[16] as Held).root))
  }, 'sixteen are read')
  await first.scrubber.stop()
  assert.is(first.scrubber.report().lastScrub, 0, 'it is in the middle')
  const submissions = new Proxy(world.submissions, {
    get(object, name) {
      const value = Reflect.get(object, name, object)
      if (name !== 'versionOrForgotten') return typeof value === 'function' ? value.bind(object) : value
      return async (root: Uint8Array, leaf: number) => {
        reads.push(root)
        return await object.versionOrForgotten(root, leaf)
      }
    },
  })
  const second = await start(Object.assign(Object.create(world), { submissions }) as CustodianWorld)
  await eventually(() => second.scrubber.report().lastScrub > 0, 'the pass has ended')
  await second.scrubber.stop()
  assert.equal(second.found, [`${toHex((all[59] as Held).root)} 0`])
  assert.ok(reads.length < 60 && reads.length >= 60 - 32, `${reads.length} were read`)
})

/** The world, with fragments that this says of which fail with an error of the disk. */
function failing(world: CustodianWorld, fails: (dispersalRoot: Uint8Array) => boolean): CustodianWorld {
  const fragments = new Proxy(world.fragments, {
    get(object, name) {
      const value = Reflect.get(object, name, object)
      if (name !== 'read') return typeof value === 'function' ? value.bind(object) : value
      return (...[key, options]: Parameters<FragmentStore['read']>) => {
        if (fails(key.dispersalRoot)) throw new EpioneError('storage-failed', 'The disk failed.')
        return object.read(key, options)
      }
    },
  })
  return Object.assign(Object.create(world), { fragments }) as CustodianWorld
}

test('one fragment that the disk does not give, and a version that cannot be opened, do not end a pass', async () => {
  await using world = await CustodianWorld.open()
  const all = [await world.hold('a', [140_000, 200]), await world.hold('b', [140_000, 200]), await world.hold('c', [140_000, 200])]
  all.sort((a, b) => compareBytes(a.root, b.root))
  const [first, second, third] = all as [Held, Held, Held]
  // A value in the place of another is what no key opens.
  const store = world.custody.sublevel('submissions')
  const place = (leaf: number): Uint8Array => concat(Uint8Array.of(2), second.root, u32(leaf))
  const other = (await store.get(place(1))) as Uint8Array
  await store.batch([{ type: 'put', key: place(0), value: other }])
  await flip(await fileOf(world, third, 0), 3)
  const bad = first.metas[0] as Held['metas'][number]
  const { scrubber, found } = await start(failing(world, root => equalBytes(root, bad.leaf.dispersalRoot)))
  await eventually(() => scrubber.report().lastScrub > 0 || world.errors.length > 0, 'a pass has ended')
  await scrubber.stop()
  assert.equal(world.errors, [])
  assert.equal(found, [`${toHex(first.root)} 0`, `${toHex(third.root)} 0`])
})

test('a disk that gives nothing ends the pass before all counts as bad', async () => {
  await using world = await CustodianWorld.open()
  await world.hold('a', Array<number>(20).fill(100))
  const { scrubber, found } = await start(failing(world, () => true))
  await eventually(() => scrubber.report().lastScrub > 0 || world.errors.length > 0, 'the pass is over')
  await scrubber.stop()
  assert.equal([world.errors, scrubber.report().lastScrub], [['storage-failed'], 0])
  assert.is(found.length, 8)
})

test.run()
