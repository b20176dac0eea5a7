/** Process that stages fragments and tells of each submission once it is durable, until it is killed: `node crash-writer.ts <dir>`. */
import { join } from 'node:path'
import { u32 } from '../../src/encoding/bytes.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { openFragmentStore } from '../../src/fragments/fragment-store.ts'
import { chunkLeaf, fragmentRoot } from '../../src/fragments/hasher.ts'
import { CHUNK_BYTES } from '../../src/fragments/layout.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'

/** Fragments of one submission: a small one and one of three chunks. */
export function crashFragments(submission: number): { dispersalRoot: Uint8Array; bytes: Uint8Array; root: Uint8Array }[] {
  return [500, 2 * CHUNK_BYTES + 16].map((length, i) => {
    const bytes = new Uint8Array(length).fill(submission * 2 + i)
    const leaves: Uint8Array[] = []
    for (let at = 0; at < length; at += CHUNK_BYTES) leaves.push(chunkLeaf(bytes.subarray(at, at + CHUNK_BYTES)))
    return { dispersalRoot: sha256(u32(submission * 2 + i)), bytes, root: fragmentRoot(leaves) }
  })
}

export function crashSubmission(submission: number): Uint8Array {
  return sha256(u32(0x8000_0000 + submission))
}

if (import.meta.main) {
  const dir = process.argv[2] as string
  const fragments = await openFragmentStore({
    dir: join(dir, 'files'),
    store: await openLevelStore(join(dir, 'level')),
    quotaBytes: 2 ** 30,
  })
  for (let submission = 0; submission < 10_000; submission++) {
    const items = []
    for (const { dispersalRoot, bytes, root } of crashFragments(submission)) {
      const writer = fragments.begin({ dispersalRoot, index: 0 }, bytes.length)
      await writer.write(bytes)
      items.push({ writer, expectedRoot: root })
    }
    await fragments.commitSubmission(items, { submissionRoot: crashSubmission(submission), stagedUntilMs: 1000 })
    process.stdout.write(`${submission}\n`)
  }
}
