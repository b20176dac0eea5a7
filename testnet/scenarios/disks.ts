/** What is done to the disks of custodians, and what lies on them. */
import { open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { toHex } from '../../src/encoding/bytes.ts'
import { openFragmentStore } from '../../src/fragments/fragment-store.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import { homePaths } from '../../src/node/home.ts'
import type { SeededRandom } from '../population/random.ts'

/** Removes all that a custodian holds, as a new disk would. Its chain and its keys stay. The node must not run. */
export async function wipeCustody(home: string): Promise<void> {
  const { custody, fragments } = homePaths(home)
  for (const dir of [custody, fragments]) await rm(dir, { recursive: true, force: true })
}

/** Fragments that are files of their own. */
async function fragmentFiles(home: string): Promise<string[]> {
  const root = join(homePaths(home).fragments, 'fragments')
  const files: string[] = []
  for (const shard of await readdir(root)) for (const name of await readdir(join(root, shard))) files.push(join(root, shard, name))
  return files.sort()
}

/** Flips one bit of each of a share of the files, while the node runs. @returns how many */
export async function flipBits(home: string, share: number, random: SeededRandom): Promise<number> {
  let flipped = 0
  for (const path of await fragmentFiles(home)) {
    if (!random.chance(share)) continue
    const handle = await open(path, 'r+')
    try {
      const { size } = await stat(path)
      const at = random.int(0, size - 1)
      const byte = Buffer.alloc(1)
      await handle.read(byte, 0, 1, at)
      byte[0] = (byte[0] as number) ^ (1 << random.int(0, 7))
      await handle.write(byte, 0, 1, at)
      flipped++
    } finally {
      await handle.close()
    }
  }
  return flipped
}

/** Which fragments of a submission lie whole on a disk: the indices of its versions, by the submission's root in hex. */
export async function goodFragments(home: string): Promise<Map<string, number[]>> {
  const { custody, fragments } = homePaths(home)
  const db = await openLevelStore(custody)
  try {
    const store = await openFragmentStore({
      dir: fragments,
      store: db.sublevel('fragment-store'),
      quotaBytes: Number.MAX_SAFE_INTEGER,
    })
    try {
      const good = new Map<string, number[]>()
      for await (const { submissionRoot, anchored } of store.submissions()) {
        if (!anchored) continue
        const whole: number[] = []
        for (const key of await store.fragmentsOf(submissionRoot)) {
          try {
            // Reading compares each chunk with its hash.
            for await (const _ of store.read(key));
            whole.push(key.index)
          } catch {
            // Damaged: it does not count.
          }
        }
        good.set(toHex(submissionRoot), whole)
      }
      return good
    } finally {
      await store.close()
    }
  } finally {
    await db.close()
  }
}
