/** What is hidden from a reader gives the same answers as what never was, over real processes and in every way to ask. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { listVersions } from '../../src/client/get.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { tryAll } from '../../testnet/hidden/tries.ts'
import { hiddenWorld } from '../../testnet/hidden/world.ts'
import { createTestnet } from '../../testnet/launcher/testnet.ts'

const SEED = 5
const test = suite('hidden records')

test('a reader without access hears the same of what is hidden and of what never was, and sees no gap in the rest', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'epione-hidden-'))
  const peers: LightPeer[] = []
  try {
    await using net = await createTestnet({ dir, validators: 4, seed: SEED })
    const world = await hiddenWorld(net, peers, { together: 4, alone: 1, consents: 2 }, SEED)
    const { versions } = await listVersions(world.peer, world.session)
    assert.equal(
      versions.map(({ leaf, total }) => [leaf, total]),
      [
        [0, 3],
        [1, 3],
        [2, 3],
      ],
    )
    const results = await tryAll(world, { tries: 12, seed: SEED, times: false })
    assert.ok(results.length >= 14)
    for (const { name, hidden, never } of results) {
      assert.equal([hidden.length, never.length], [1, 1], name)
      assert.equal(hidden, never, name)
    }
  } finally {
    await Promise.all(peers.map(async peer => await peer.stop()))
    rmSync(dir, { recursive: true, force: true })
  }
})

test.run()
