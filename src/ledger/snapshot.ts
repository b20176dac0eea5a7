/**
 * Snapshots: the state after one block, and the bodies of all logs, cut into chunks that peers hand over. The same height gives the
 * same chunks on every node, so that they come from several at once. Nothing in a snapshot is believed for who gave it: chunks are
 * checked by their hashes, and what all of them amount to by the header of the height.
 */
import { taggedHash } from '../encoding/hash.ts'
import { byteString, codec, hash32, type Infer, integer, list, struct } from '../encoding/schema.ts'
import { MAX_STREAM_BYTES } from './chain-keys.ts'
import { MAX_STATE_KEY_BYTES, MAX_STATE_VALUE_BYTES } from './state-run.ts'
import type { StateTree } from './state-tree.ts'

/** Longest chunk, in bytes. */
export const MAX_CHUNK_BYTES = 1024 * 1024
/** Most chunks of one snapshot: 16 GiB. A manifest that names more is refused before anything is fetched. */
export const MAX_CHUNKS = 16_384
/** Longest body of a log item, in bytes. */
export const MAX_LOG_BODY_BYTES = 64 * 1024
/** Most entries of one chunk. */
const MAX_CHUNK_ENTRIES = 32_768
/** What an entry takes beside its byte strings, at most: heads of arrays and strings, and an index. */
const ENTRY_OVERHEAD = 32

const leafSchema = struct({ key: byteString(MAX_STATE_KEY_BYTES, 1), value: byteString(MAX_STATE_VALUE_BYTES, 1) })
const itemSchema = struct({ stream: byteString(MAX_STREAM_BYTES, 1), index: integer(), body: byteString(MAX_LOG_BODY_BYTES) })

/** Leaves of the state, ascending by key, and after all of them the items of the logs, by stream and position. */
export const chunkCodec = codec(
  struct({ leaves: list(leafSchema, MAX_CHUNK_ENTRIES), items: list(itemSchema, MAX_CHUNK_ENTRIES) }),
  MAX_CHUNK_BYTES,
)
export type SnapshotChunk = Infer<typeof chunkCodec>
export type SnapshotItem = Infer<typeof itemSchema>

export const manifestCodec = codec(
  struct({
    height: integer(Number.MAX_SAFE_INTEGER, 1),
    /** Hash of the header of that height. */
    block: hash32,
    /** Hash of each chunk, in order. */
    chunks: list(hash32, MAX_CHUNKS, 1),
  }),
  MAX_CHUNKS * 36 + 128,
)
export type SnapshotManifest = Infer<typeof manifestCodec>

export function chunkHash(chunk: Uint8Array): Uint8Array {
  return taggedHash('snapshot-chunk', chunk)
}

/** Name of a snapshot: two peers with the same one can hand over each other's chunks. */
export function manifestId(manifest: SnapshotManifest): Uint8Array {
  return taggedHash('snapshot', manifestCodec.encode(manifest))
}

/** Cuts a state and the logs into encoded chunks. */
export async function* snapshotChunks(tree: StateTree, logItems: AsyncIterable<SnapshotItem>): AsyncGenerator<Uint8Array> {
  let chunk: SnapshotChunk = { leaves: [], items: [] }
  let size = 0
  const isFull = (bytes: number): boolean =>
    size + bytes > MAX_CHUNK_BYTES - 1024 || chunk.leaves.length === MAX_CHUNK_ENTRIES || chunk.items.length === MAX_CHUNK_ENTRIES
  const cut = (): Uint8Array => {
    const encoded = chunkCodec.encode(chunk)
    chunk = { leaves: [], items: [] }
    size = 0
    return encoded
  }
  for (const [key, value] of tree.entries(new Uint8Array(0))) {
    const bytes = key.length + value.length + ENTRY_OVERHEAD
    if (isFull(bytes)) yield cut()
    chunk.leaves.push({ key, value })
    size += bytes
  }
  for await (const { stream, index, body } of logItems) {
    const bytes = stream.length + body.length + ENTRY_OVERHEAD
    if (isFull(bytes)) yield cut()
    chunk.items.push({ stream, index, body })
    size += bytes
  }
  yield cut()
}
