/** What the ledger anchors stays, whatever a custodian stops or fails at. */
import { mock } from 'node:test'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../../src/encoding/bytes.ts'
import { submissionLocator } from '../../src/fragments/formats.ts'
import type { FragmentStore } from '../../src/fragments/fragment-store.ts'
import type { Network, PeerEvent } from '../../src/network/network.ts'
import type { Chain } from '../../src/node/chain.ts'
import { Announcer } from '../../src/node/custodian/announcer.ts'
import { ReleaseService } from '../../src/node/custodian/release.ts'
import { CustodianService } from '../../src/node/custodian/service.ts'
import type { Submissions } from '../../src/node/custodian/submissions.ts'
import { eventually, seedOf } from './cluster.ts'
import { uploadsOf } from './custodian-uploads.ts'
import { CUSTODIAN, CustodianWorld, type Held, HOUR } from './custodian-world.ts'

const test = suite('anchors at a custodian')
const SWEEP_MS = 60_000

/** The part of a network that a custodian talks to; announcements wait until they are let through. */
class Announcements {
  readonly made: string[] = []
  open = 0
  most = 0
  isHeld = false
  #listeners = new Set<(event: PeerEvent) => void>()
  #held: (() => void)[] = []

  readonly network = {
    handle: async () => undefined,
    handleStream: async () => undefined,
    onPeer: (listener: (event: PeerEvent) => void) => {
      this.#listeners.add(listener)
      return () => this.#listeners.delete(listener)
    },
    locate: {
      provide: async (key: Uint8Array, { signal }: { signal?: AbortSignal } = {}) => {
        this.made.push(toHex(key))
        this.most = Math.max(this.most, ++this.open)
        try {
          if (this.isHeld) {
            await new Promise<void>((resolve, reject) => {
              this.#held.push(resolve)
              signal?.addEventListener('abort', () => reject(signal.reason))
            })
          }
        } finally {
          this.open--
        }
      },
      withdraw: async () => undefined,
    },
  } as unknown as Network

  connect(): void {
    for (const listener of this.#listeners) listener({ type: 'connect', peer: seedOf('peer') })
  }

  /** Lets through those that wait. */
  letGo(): void {
    for (const resolve of this.#held.splice(0)) resolve()
  }
}

interface Changes {
  fragments?: FragmentStore
  submissions?: Submissions
  announcements?: Announcements
  onDropFolder?: (folder: Uint8Array) => void
  onDropParked?: () => void
  chain?: Chain
}

async function start(world: CustodianWorld, changes: Changes = {}): Promise<CustodianService> {
  const { desk, logger, clock } = world
  const { chain = world.chain, fragments = world.fragments, submissions = world.submissions, announcements = new Announcements() } = changes
  const identity = { custodian: CUSTODIAN.account, accountKey: CUSTODIAN.signing }
  const now = (): number => clock.now
  const erasures = world.erasures()
  const uploads = uploadsOf(world, {}, { chain, fragments, submissions, erasures })
  const { dropFolder, dropParked } = uploads
  uploads.dropParked = async () => {
    changes.onDropParked?.()
    await dropParked.call(uploads)
  }
  uploads.dropFolder = async folder => {
    changes.onDropFolder?.(folder)
    await dropFolder.call(uploads, folder)
  }
  const service = new CustodianService({
    chain,
    network: announcements.network,
    fragments,
    submissions,
    uploads,
    releases: new ReleaseService(identity, { chain, fragments, submissions, onCorrupt: async () => undefined, desk, logger, now }),
    desk,
    erasures,
    emergencies: world.emergencies,
    announcer: new Announcer(
      {
        network: announcements.network,
        submissions: world.submissions,
        store: world.custody.sublevel('announcements'),
        logger,
        now,
      },
      { atOnce: 8 },
    ),
    logger,
    now,
  })
  await service.start()
  return service
}

/** The same object with one method that fails until it is mended. */
function failing<T extends object>(target: T, method: keyof T): { object: T; mend: () => void } {
  let isBroken = true
  const object = new Proxy(target, {
    get(object, name) {
      const value = Reflect.get(object, name, object)
      if (typeof value !== 'function') return value
      if (name !== method || !isBroken) return value.bind(object)
      return async () => {
        throw new Error('the disk failed')
      }
    },
  })
  return {
    object,
    mend: () => {
      isBroken = false
    },
  }
}

async function isKept({ fragments, submissions }: CustodianWorld, { root, metas }: Held): Promise<boolean> {
  const isHere = metas.every(({ leaf }) => fragments.has({ dispersalRoot: leaf.dispersalRoot, index: 1 }))
  return isHere && fragments.submission(root)?.anchored === true && (await submissions.get(root))?.anchored === true
}

const isGone = async ({ fragments, submissions }: CustodianWorld, { root, metas }: Held): Promise<boolean> =>
  (await submissions.get(root)) === undefined &&
  fragments.submission(root) === undefined &&
  metas.every(({ leaf }) => !fragments.has({ dispersalRoot: leaf.dispersalRoot, index: 1 }))

for (const [store, method] of [
  ['fragments', 'markAnchored'],
  ['submissions', 'markAnchored'],
] as const) {
  test(`an anchor whose write to the ${store} was lost in a crash is kept after the restart, an hour later too`, async () => {
    await using world = await CustodianWorld.open()
    const [held, never] = [await world.hold('a', [200_000, 50]), await world.hold('b', [200_000])]
    const broken = failing(world[store] as FragmentStore & Submissions, method)
    const first = await start(world, { [store]: broken.object })
    await world.anchor(held)
    await eventually(() => world.errors.length > 0, 'the write fails')
    await first.stop()
    assert.not.ok(await isKept(world, held))

    world.clock.now += HOUR + 1
    mock.timers.enable({ apis: ['setInterval'] })
    try {
      const second = await start(world)
      await eventually(() => isKept(world, held), 'the anchor is kept')
      mock.timers.tick(SWEEP_MS)
      await eventually(() => isGone(world, never), 'what was never anchored is dropped')
      assert.ok(await isKept(world, held))
      await second.stop()
    } finally {
      mock.timers.reset()
    }
  })

  test(`an anchor whose write to the ${store} failed is kept by the sweep, without a restart`, async () => {
    await using world = await CustodianWorld.open()
    const [held, never] = [await world.hold('a', [200_000, 50]), await world.hold('b', [200_000])]
    mock.timers.enable({ apis: ['setInterval'] })
    try {
      const broken = failing(world[store] as FragmentStore & Submissions, method)
      const service = await start(world, { [store]: broken.object })
      await world.anchor(held)
      await eventually(() => world.errors.length > 0, 'the write fails')
      assert.not.ok(await isKept(world, held))
      broken.mend()
      world.clock.now += HOUR + 1
      mock.timers.tick(SWEEP_MS)
      await eventually(() => isGone(world, never), 'what was never anchored is dropped')
      assert.ok(await isKept(world, held))
      await service.stop()
    } finally {
      mock.timers.reset()
    }
  })
}

test('fragments that still run out although their submission is marked are kept after a restart', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [200_000])
  await world.anchor(held)
  await world.submissions.markAnchored(held.root)
  assert.is(world.fragments.submission(held.root)?.anchored, false)
  const service = await start(world)
  await eventually(() => isKept(world, held), 'the fragments are kept')
  await service.stop()
  assert.is(await world.fragments.dropExpired(world.clock.now + HOUR + 1), 0)
})

test('a clock that moves on within a sweep drops nothing that was not looked at', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [200_000])
  mock.timers.enable({ apis: ['setInterval'] })
  try {
    // The look at the submissions ends a moment before this one runs out.
    const submissions = new Proxy(world.submissions, {
      get(object, name) {
        const value = Reflect.get(object, name, object)
        if (name !== 'all') return typeof value === 'function' ? value.bind(object) : value
        return async function* () {
          yield* object.all()
          looks++
          if (looks === 2) world.clock.now += 2
        }
      },
    })
    let looks = 0
    const service = await start(world, { submissions })
    await eventually(() => looks === 1, 'the restart is over')
    world.clock.now += HOUR - 1
    mock.timers.tick(SWEEP_MS)
    await eventually(() => looks === 2, 'the sweep has looked')
    await service.stop()
    assert.is(world.fragments.submission(held.root)?.anchored, false)
    assert.ok(await world.submissions.get(held.root))
  } finally {
    mock.timers.reset()
  }
})

test('after a restart what is anchored and was not announced is, a few at a time, and no more once it stops', async () => {
  await using world = await CustodianWorld.open()
  const held: Held[] = []
  for (let i = 0; i < 30; i++) held.push(await world.hold(`a ${i}`, [50 + i]))
  for (const one of held.slice(0, 25)) await world.submissions.markAnchored(one.root)
  const expected = held
    .slice(0, 25)
    .map(({ root }) => toHex(submissionLocator(root)))
    .sort()

  const announcements = new Announcements()
  announcements.isHeld = true
  const first = await start(world, { announcements })
  await eventually(() => world.fragments.submission((held[24] as Held).root)?.anchored === true, 'the restart is over')
  assert.is(announcements.made.length, 0)
  announcements.connect()
  await eventually(() => announcements.open === 8, 'the first few are announced')
  announcements.letGo()
  await eventually(() => announcements.made.length === 16 && announcements.open === 8, 'the next are announced')
  await first.stop()
  assert.is(announcements.made.length, 16)
  assert.is(announcements.open, 0)

  const again = new Announcements()
  const second = await start(world, { announcements: again })
  again.connect()
  await eventually(() => again.made.length === 17, 'the others are announced')
  await second.stop()
  // The first eight were through before the first one stopped.
  assert.equal([...announcements.made.slice(0, 8), ...again.made].sort(), expected)
  assert.ok(again.most <= 8)
  assert.equal(world.errors, [])
})

test('what broken uploads left of a folder goes when a version of it is erased', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [100])
  await world.anchor(held)
  const dropped: string[] = []
  const service = await start(world, { onDropFolder: folder => dropped.push(toHex(folder)) })
  await world.erase(held.metas[0] as Held['metas'][number])
  await eventually(() => dropped.length > 0, 'the uploads are told')
  await service.stop()
  assert.equal(dropped, [toHex(world.folder)])
})

test('what broken uploads left goes when another ledger takes the place of this one', async () => {
  await using world = await CustodianWorld.open()
  let replaced = (): void => undefined
  const chain = new Proxy(world.chain, {
    get(target, name) {
      if (name === 'onReplace') {
        return (listener: () => void) => {
          // The erasures listen first, and the custodian last.
          replaced = listener
          return () => undefined
        }
      }
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  let drops = 0
  const service = await start(world, { chain, onDropParked: () => drops++ })
  assert.is(drops, 0)
  replaced()
  await eventually(() => drops === 1, 'the uploads are told')
  await service.stop()
})

test('what a block anchors is announced once', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [100])
  const announcements = new Announcements()
  const service = await start(world, { announcements })
  announcements.connect()
  await world.anchor(held)
  await eventually(() => announcements.made.length > 0, 'it is announced')
  await service.stop()
  assert.equal(announcements.made, [toHex(submissionLocator(held.root))])
})

test.run()
