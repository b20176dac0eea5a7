/** Helpers of the tests that read and write dispersals. */
import { type DispersedBytes, fragmentRootProof } from '../../src/fragments/dispersal.ts'
import { CHUNK_BYTES } from '../../src/fragments/layout.ts'
import type { FragmentSource } from '../../src/fragments/source-reader.ts'
import type { SeededRandom } from '../encoding/seeded.ts'

/** The bytes as a stream of pieces of many lengths, empty ones among them. */
export async function* pieces(data: Uint8Array, random: SeededRandom): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < data.length; ) {
    const length = random.pick([0, 1, 100, 16_384, CHUNK_BYTES, 3 * CHUNK_BYTES + 5])
    yield data.subarray(at, at + length)
    at += length
  }
}

/** The chunks of a fragment from `firstChunk` on. */
export async function* chunks(fragment: Uint8Array, firstChunk = 0): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = firstChunk * CHUNK_BYTES; at < fragment.length; at += CHUNK_BYTES) yield fragment.slice(at, at + CHUNK_BYTES)
}

/** A source of fragment `index`. */
export function source(dispersed: DispersedBytes, index: number, changes: Partial<FragmentSource> = {}): FragmentSource {
  return {
    index,
    fragmentRoot: dispersed.fragmentRoots[index] as Uint8Array,
    proof: fragmentRootProof(dispersed.fragmentRoots, index),
    chunkLeaves: dispersed.chunkLeaves[index] as Uint8Array[],
    open: firstChunk => chunks(dispersed.fragments[index] as Uint8Array, firstChunk),
    ...changes,
  }
}
