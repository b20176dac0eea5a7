/** Announcements to the DHT: in time, many at a time, again before they are forgotten, and taken back. */
import { join } from 'node:path'
import { mock } from 'node:test'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { concat, toHex, u32 } from '../../src/encoding/bytes.ts'
import { submissionLocator } from '../../src/fragments/formats.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import type { KeyValueStore } from '../../src/ledger/store.ts'
import type { PeerEvent } from '../../src/network/network.ts'
import { AGAIN_MS, Announcer, type AnnouncerDependencies, AT_ONCE, STALE_MS } from '../../src/node/custodian/announcer.ts'
import { eventually, seedOf } from './cluster.ts'
import { temporary } from './ledger-fixture.ts'

const test = suite('announcer')
const rootOf = (i: number): Uint8Array => concat(u32(i), new Uint8Array(28))
const HOUR = 3_600_000

/** A custodian's submissions and a DHT; announcements of `failing` roots fail, those of a held gate wait. */
class World implements AsyncDisposable {
  readonly held = new Map<string, boolean>()
  /** Those of which no fragment is left. */
  readonly erased = new Set<string>()
  readonly provided: string[] = []
  readonly withdrawn: string[] = []
  readonly failing = new Set<string>()
  readonly errors: unknown[] = []
  now = 1_700_000_000_000
  gate: Promise<void> | undefined
  open = 0
  most = 0
  readonly store: KeyValueStore
  readonly #close: () => Promise<void>
  #tell: (event: PeerEvent) => void = () => undefined
  #announcers: Announcer[] = []

  private constructor(store: KeyValueStore, close: () => Promise<void>) {
    this.store = store
    this.#close = close
  }

  static async open(): Promise<World> {
    const place = temporary()
    const level = await openLevelStore(join(place.dir, 'store'))
    return new World(level.sublevel('announcements'), async () => {
      await level.close()
      place[Symbol.dispose]()
    })
  }

  hold(root: Uint8Array, anchored = true): void {
    this.held.set(toHex(root), anchored)
  }

  start(): Announcer {
    const names = new Map([...this.held.keys()].map(hex => [toHex(submissionLocator(Buffer.from(hex, 'hex'))), hex]))
    const nameOf = (key: Uint8Array): string => names.get(toHex(key)) ?? toHex(key)
    const { held, erased } = this
    const submissions = {
      get: async (root: Uint8Array) => {
        const anchored = held.get(toHex(root))
        return anchored === undefined ? undefined : { anchored, bytes: erased.has(toHex(root)) ? 0 : 100 }
      },
      async *all() {
        for (const [hex, anchored] of held)
          yield { root: new Uint8Array(Buffer.from(hex, 'hex')), submission: { anchored, bytes: erased.has(hex) ? 0 : 100 } }
      },
    } as unknown as AnnouncerDependencies['submissions']
    const locate = {
      provide: async (key: Uint8Array, { signal }: { signal?: AbortSignal } = {}) => {
        this.open++
        this.most = Math.max(this.most, this.open)
        try {
          if (this.gate !== undefined) {
            const aborted = new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
            await Promise.race([this.gate, aborted])
          }
          this.provided.push(nameOf(key))
          if (this.failing.has(nameOf(key))) throw new Error('nobody took it')
        } finally {
          this.open--
        }
      },
      withdraw: async (key: Uint8Array) => void this.withdrawn.push(nameOf(key)),
    }
    const quiet = (): void => undefined
    const announcer = new Announcer({
      network: {
        locate,
        onPeer: (listener: (event: PeerEvent) => void) => {
          this.#tell = listener
          return quiet
        },
      } as unknown as AnnouncerDependencies['network'],
      submissions,
      store: this.store,
      logger: { debug: quiet, info: quiet, warn: quiet, error: fields => void this.errors.push(fields) },
      now: () => this.now,
    })
    announcer.start()
    this.#announcers.push(announcer)
    return announcer
  }

  connect(): void {
    this.#tell({ type: 'connect', peer: seedOf('peer') } as PeerEvent)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const announcer of this.#announcers) await announcer.stop()
    await this.#close()
  }
}

test('nothing is announced before there is somebody to tell; then all that is anchored, once', async () => {
  await using world = await World.open()
  for (let i = 0; i < 30; i++) world.hold(rootOf(i), i % 3 !== 0)
  const announcer = world.start()
  announcer.announce(rootOf(1))
  announcer.announce(rootOf(1))
  assert.equal(world.provided, [])
  world.connect()
  world.connect()
  await eventually(() => world.provided.length === 20 && announcer.pending === 0, 'all are announced')
  assert.is(new Set(world.provided).size, 20)
  assert.ok(world.most <= AT_ONCE)
})

test('more than the queue takes are announced all the same, those that come meanwhile too', async () => {
  await using world = await World.open()
  const count = 6000
  for (let i = 0; i < count; i++) world.hold(rootOf(i))
  const held = Promise.withResolvers<void>()
  world.gate = held.promise
  const announcer = world.start()
  for (let i = 0; i < count; i++) announcer.announce(rootOf(i))
  assert.is(announcer.pending, 4096)
  world.connect()
  await eventually(() => world.open === AT_ONCE, 'the first are under way')
  assert.ok(announcer.pending <= 4096 + AT_ONCE)
  held.resolve()
  await eventually(() => new Set(world.provided).size === count, 'all are announced')
  await eventually(() => announcer.pending === 0, 'the queue is empty')
  assert.equal([world.provided.length, world.most, world.errors], [count, AT_ONCE, []])
})

test('a failure is tried again, later each time, and in the end left to the next look', async () => {
  await using world = await World.open()
  const root = rootOf(1)
  // Not anchored yet, so that only the attempts are seen and no look through all comes between.
  world.hold(root, false)
  world.failing.add(toHex(root))
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) await new Promise(resolve => setImmediate(resolve))
  }
  try {
    const announcer = world.start()
    announcer.announce(root)
    world.connect()
    await settle()
    const attempts = [world.provided.length]
    for (const wait of [4_999, 1, 9_999, 1, 19_999, 1, 39_999, 1]) {
      mock.timers.tick(wait)
      await settle()
      attempts.push(world.provided.length)
    }
    assert.equal(attempts, [1, 1, 2, 2, 3, 3, 4, 4, 5])
    assert.is(announcer.pending, 0)
    world.failing.clear()
    world.hold(root)
    // A look reads from disk, which settles in its own time; one that is due while another goes on is left out.
    for (const untilMs = performance.now() + 30_000; world.provided.length < 6 && performance.now() < untilMs; ) {
      mock.timers.tick(10 * 60_000)
      await settle()
    }
    assert.is(world.provided.length, 6)
  } finally {
    mock.timers.reset()
  }
})

test('a restart announces what is due: made anew after 20 hours, not before', async () => {
  await using world = await World.open()
  const [early, late, fresh] = [rootOf(1), rootOf(2), rootOf(3)]
  world.hold(early)
  const first = world.start()
  world.connect()
  await eventually(() => world.provided.length === 1 && first.pending === 0, 'the first is announced')
  await first.stop()
  world.now += 5 * HOUR
  world.hold(late)
  const second = world.start()
  world.connect()
  await eventually(() => world.provided.length === 2 && second.pending === 0, 'the second is announced')
  await second.stop()
  assert.equal(world.provided, [toHex(early), toHex(late)])
  world.now += AGAIN_MS - 5 * HOUR
  world.hold(fresh)
  const third = world.start()
  world.connect()
  await eventually(() => world.provided.length === 4 && third.pending === 0, 'what is due is announced')
  assert.equal(world.provided.slice(2).sort(), [toHex(early), toHex(fresh)])
  assert.equal(world.withdrawn, [])
})

test('after a long absence the DHT is not left to renew by itself; a clock that was set back renews at once', async () => {
  await using world = await World.open()
  world.hold(rootOf(1))
  const first = world.start()
  world.connect()
  await eventually(() => first.pending === 0 && world.provided.length === 1, 'it is announced')
  await first.stop()
  world.now += STALE_MS
  const second = world.start()
  world.connect()
  await eventually(() => world.provided.length === 2 && second.pending === 0, 'it is announced again')
  await second.stop()
  assert.equal(world.withdrawn, [toHex(rootOf(1))])
  world.now -= HOUR
  const third = world.start()
  world.connect()
  await eventually(() => world.provided.length === 3 && third.pending === 0, 'and again')
})

test('what is deleted is taken back: told so, and found by the next look where nobody told', async () => {
  await using world = await World.open()
  const [told, untold, erased, kept] = [rootOf(1), rootOf(2), rootOf(3), rootOf(4)]
  for (const root of [told, untold, erased, kept]) world.hold(root)
  const announcer = world.start()
  world.connect()
  await eventually(() => world.provided.length === 4 && announcer.pending === 0, 'all are announced')
  world.held.delete(toHex(told))
  await announcer.withdraw(told)
  assert.equal(world.withdrawn, [toHex(told)])
  world.held.delete(toHex(untold))
  world.erased.add(toHex(erased))
  announcer.look()
  await eventually(() => world.withdrawn.length === 3, 'the others are withdrawn')
  assert.equal(world.withdrawn, [toHex(told), toHex(untold), toHex(erased)])
  assert.is(await world.store.get(untold), undefined)
  assert.ok(await world.store.get(kept))
})

test('what is deleted while it is being announced, or waits for it, is not left announced', async () => {
  await using world = await World.open()
  for (let i = 0; i <= AT_ONCE; i++) world.hold(rootOf(i))
  const gate = Promise.withResolvers<void>()
  world.gate = gate.promise
  const announcer = world.start()
  for (let i = 0; i <= AT_ONCE; i++) announcer.announce(rootOf(i))
  world.connect()
  await eventually(() => world.open === AT_ONCE, 'all but one are under way, and that one waits')
  for (const root of [rootOf(0), rootOf(AT_ONCE)]) world.held.delete(toHex(root))
  const under = announcer.withdraw(rootOf(0))
  await announcer.withdraw(rootOf(AT_ONCE))
  gate.resolve()
  await under
  await eventually(() => announcer.pending === 0, 'the others are through')
  assert.not(world.provided.includes(toHex(rootOf(AT_ONCE))))
  assert.equal([await world.store.get(rootOf(0)), await world.store.get(rootOf(AT_ONCE))], [undefined, undefined])
  assert.equal(world.withdrawn.sort(), [toHex(rootOf(0)), toHex(rootOf(AT_ONCE))])
})

test('what is deleted while its announcement fails is not announced again', async () => {
  await using world = await World.open()
  const root = rootOf(1)
  world.hold(root, false)
  world.failing.add(toHex(root))
  const gate = Promise.withResolvers<void>()
  world.gate = gate.promise
  const announcer = world.start()
  announcer.announce(root)
  world.connect()
  await eventually(() => world.open === 1, 'it is under way')
  const withdrawn = announcer.withdraw(root)
  gate.resolve()
  await withdrawn
  assert.equal([world.provided, world.withdrawn, announcer.pending], [[toHex(root)], [toHex(root)], 0])
})

test.run()
