/** Frames of uploads and releases. */

import { emergencyReasonSchema } from '../contracts/emergency-formats.ts'
import { concat } from '../encoding/bytes.ts'
import { MalformedError } from '../encoding/errors.ts'
import { byteString, type Codec, codec, hash32, type Infer, integer, list, nullable, struct, tagged } from '../encoding/schema.ts'
import { MAX_FRAGMENTS } from '../fragments/erasure.ts'
import { MAX_FRAGMENT_CHUNKS, MAX_SUBMISSION_VERSIONS, versionMetaSchema } from '../fragments/formats.ts'
import { CHUNK_BYTES } from '../fragments/layout.ts'
import { shownDisputeSchema } from './light-messages.ts'
import { MAX_FRAGMENT_FRAME } from './protocols.ts'

/** First byte of a frame that is a chunk; no canonical tuple begins with it. */
const CHUNK = 0x00

/**
 * Adds chunks to the frames of a codec: a zero byte and the chunk as it is. Chunks are almost all of the bytes, and every one is
 * hashed anyway: to run them through the strict decoder would copy each three times over for nothing.
 */
export function withChunks<T extends { type: string; value: unknown }>(frames: Codec<T>): Codec<T | { type: 'chunk'; value: Uint8Array }> {
  return {
    ...frames,
    encode: frame => (isChunk(frame) ? concat(Uint8Array.of(CHUNK), frame.value) : frames.encode(frame as T)),
    decode: bytes => {
      if (bytes[0] !== CHUNK) return frames.decode(bytes)
      if (bytes.length < 2 || bytes.length > CHUNK_BYTES + 1) throw new MalformedError(`a chunk has 1 to ${CHUNK_BYTES} bytes`)
      return { type: 'chunk', value: bytes.subarray(1) }
    },
  } as Codec<T | { type: 'chunk'; value: Uint8Array }>
}

function isChunk(frame: { type: string; value: unknown }): frame is { type: 'chunk'; value: Uint8Array } {
  return frame.type === 'chunk'
}

/**
 * Rate at which a custodian reads through what is staged there and sent again, for each organisation that answers for uploads, in bytes a
 * second: who sends nothing but tickets must not keep its disk and a processor busy. So long an uploader waits at least.
 */
export const CHECK_BYTES_PER_SECOND = 128 * 1024 * 1024
/** Version metadata that fits one frame. */
export const VERSIONS_PER_FRAME = 64
/** Most disputes that come with a release. */
export const MAX_SHOWN_DISPUTES = 64
export const DISPUTES_PER_FRAME = 4

/**
 * Frames from the uploader, in this order: one `start`, as many `versions` as the ticket counts, then for each version in the
 * submission's order one `fragment` with the first chunk, and its other chunks as `chunk`.
 */
export const uploadFrameCodec = withChunks(
  codec(
    tagged({
      /** `token`: random, known to this custodian alone; who brings it again goes on with an upload that broke off. */
      start: struct({ ticket: byteString(1024), signature: byteString(64, 64), index: integer(47), token: hash32 }),
      versions: list(versionMetaSchema, VERSIONS_PER_FRAME, 1),
      /** The roots of all n fragments: a custodian that loses its own is given them again by any other. */
      fragment: struct({ roots: list(hash32, MAX_FRAGMENTS, 3), chunk: byteString(CHUNK_BYTES, 1) }),
    }),
    MAX_FRAGMENT_FRAME,
  ),
)
export type UploadFrame = Infer<typeof uploadFrameCodec>

export const failureSchema = struct({ code: byteString(48), message: byteString(512) })

/**
 * Frames from the custodian: `ready` once it knows what is coming, then the receipt or an error. `ready` says where to begin: with
 * which chunk of which version. What is before it came earlier; all of it, where the version is the number of versions.
 */
export const uploadReplyCodec = codec(
  tagged({
    ready: struct({ version: integer(MAX_SUBMISSION_VERSIONS), chunk: integer(MAX_FRAGMENT_CHUNKS) }),
    receipt: struct({ receipt: byteString(256), signature: byteString(64, 64) }),
    error: failureSchema,
  }),
  8192,
)

/** The one frame from the reader. */
export const releaseRequestCodec = codec(
  struct({
    request: byteString(64 * 1024),
    signature: byteString(64, 64),
    accessOpening: byteString(32 * 1024),
    consentOpening: nullable(byteString(16 * 1024)),
    /** Of break-glass alone: why the patient was not asked. */
    reason: nullable(emergencyReasonSchema),
  }),
  MAX_FRAGMENT_FRAME,
)

/**
 * Frames from the custodian: `versions` until `count` were shown, the Merkle proof of them, then for each asked leaf a `fragment`
 * and its chunks. The proof binds what is shown to the anchored root; `total` is the number of leaves of the submission.
 */
export const releaseFrameCodec = withChunks(
  codec(
    tagged({
      start: struct({
        total: integer(MAX_SUBMISSION_VERSIONS, 1),
        count: integer(MAX_SUBMISSION_VERSIONS),
        proof: list(hash32, 2 * MAX_SUBMISSION_VERSIONS),
        /** Index of the custodian's fragments. */
        index: integer(47),
        /** Disputes of versions that are shown, which come behind them. */
        disputes: integer(MAX_SHOWN_DISPUTES),
      }),
      versions: list(struct({ leaf: integer(MAX_SUBMISSION_VERSIONS - 1), meta: versionMetaSchema }), VERSIONS_PER_FRAME),
      /** What the folder's owner says is wrong with versions that are shown: in as many frames as it takes. */
      disputes: list(shownDisputeSchema, DISPUTES_PER_FRAME, 1),
      /** `chunkLeaves` in as many frames as it takes: the first says how many there are. */
      fragment: struct({
        leaf: integer(MAX_SUBMISSION_VERSIONS - 1),
        root: hash32,
        proof: list(hash32, 8),
        chunkLeaves: list(hash32, 16_384),
      }),
      leaves: list(hash32, 16_384),
      end: struct({}),
      error: failureSchema,
    }),
    MAX_FRAGMENT_FRAME,
  ),
)
export type ReleaseFrame = Infer<typeof releaseFrameCodec>
