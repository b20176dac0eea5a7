/** What a node keeps, what it forgets, and what it says of its disk. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import { SnapshotStore } from '../../src/ledger/snapshot-store.ts'
import type { Chain } from '../../src/node/chain.ts'
import { StorageService } from '../../src/node/storage-service.ts'
import { genesisOf } from './cluster.ts'
import { createFolder, nextBlock, openTestChain, temporary } from './ledger-fixture.ts'

const test = suite('storage service')
const genesis = genesisOf()
const TEN_MINUTES = 10 * 60_000

/** A chain that grows by a block each ten minutes, and the service that keeps it in bounds. */
async function withStorage(
  options: { retainBlocks?: number; retainHours?: number; snapshotInterval?: number },
  run: (parts: { chain: Chain; snapshots: SnapshotStore; storage: StorageService; dir: string; clock: { now: number } }) => Promise<void>,
): Promise<void> {
  using place = temporary()
  await using opened = await openTestChain(join(place.dir, 'chain'), genesis)
  const store = await openLevelStore(join(place.dir, 'snapshots'))
  const snapshots = await SnapshotStore.open(store)
  const silent = () => undefined
  const clock = { now: 0 }
  const storage = new StorageService(
    { ...options, dirs: [join(place.dir, 'chain'), join(place.dir, 'snapshots')], quotaBytes: 2 ** 30 },
    {
      chain: opened.chain,
      snapshots,
      fragmentBytes: () => 0,
      logger: {
        debug: silent,
        info: silent,
        warn: silent,
        error: (fields, message) => assert.unreachable(`${message} ${JSON.stringify(fields)}`),
      },
      now: () => clock.now,
    },
  )
  storage.start()
  try {
    await run({ chain: opened.chain, snapshots, storage, dir: join(place.dir, 'chain'), clock })
  } finally {
    await storage.stop()
    await store.close()
  }
}

async function grow(chain: Chain, blocks: number, folders = 0): Promise<void> {
  for (let i = 0; i < blocks; i++) {
    const names = Array.from({ length: folders }, (_, at) => `${chain.tip.header.height} ${at}`)
    // Acts that fail leave no state: what grows is the chain alone.
    const acts = names.map(name => createFolder(chain, name, { body: new Uint8Array(2000).map((_, at) => (at * 7919 + i) % 251) }))
    await chain.accept(nextBlock(chain, acts, TEN_MINUTES))
  }
}

test('without a setting everything is kept; snapshots are made at their heights, the newest two stay', async () => {
  await withStorage({ snapshotInterval: 5 }, async ({ chain, storage }) => {
    for (const blocks of [5, 5, 5, 2]) {
      await grow(chain, blocks)
      await storage.settled()
    }
    storage.prune()
    await storage.settled()
    const { base, snapshots, bytes } = storage.report()
    assert.is(base, 1)
    assert.equal(snapshots, [10, 15])
    assert.ok(bytes !== null)
  })
})

test('what the settings keep, the last hour, and the hour before each snapshot stay', async () => {
  const kept = async (options: { retainBlocks?: number; retainHours?: number; snapshotInterval?: number }): Promise<number> => {
    let base = 0
    await withStorage(options, async ({ chain, storage }) => {
      await grow(chain, 30)
      await storage.settled()
      storage.prune()
      await storage.settled()
      base = storage.report().base
    })
    return base
  }
  // Block 24 is an hour older than block 30.
  assert.is(await kept({ retainBlocks: 1, snapshotInterval: 0 }), 24)
  assert.is(await kept({ retainBlocks: 20, snapshotInterval: 0 }), 11)
  assert.is(await kept({ retainHours: 2, snapshotInterval: 0 }), 18)
  assert.is(await kept({ retainHours: 2, retainBlocks: 20, snapshotInterval: 0 }), 11)
  assert.is(await kept({ retainBlocks: 1, snapshotInterval: 20 }), 14, 'the snapshot at 20 needs the hour before it')
})

test('pruning gives the disk back, and the chain opens and grows afterwards', async () => {
  await withStorage({ retainBlocks: 1, snapshotInterval: 0 }, async ({ chain, storage, dir }) => {
    const size = (): number => readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0)
    await grow(chain, 60, 40)
    await storage.settled()
    const before = size()
    storage.prune()
    await storage.settled()
    assert.is(chain.store.base, 54)
    assert.ok(size() < before / 2, `${size()} bytes of ${before} are left`)
    await grow(chain, 1)
    assert.is(chain.tip.header.height, 61)
  })
})

test.run()
