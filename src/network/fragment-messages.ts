/** Frames of uploads and releases. */
import { byteString, codec, hash32, type Infer, integer, list, nullable, struct, tagged } from '../encoding/schema.ts'
import { MAX_SUBMISSION_VERSIONS, versionMetaSchema } from '../fragments/formats.ts'
import { MAX_FRAGMENT_FRAME } from './protocols.ts'

/** Version metadata that fits one frame. */
export const VERSIONS_PER_FRAME = 64

/**
 * Frames from the uploader, in this order: one `start`, as many `versions` as the ticket counts, then for each version in the
 * submission's order one `fragment` with the first chunk, and its other chunks as `chunk`.
 */
export const uploadFrameCodec = codec(
  tagged({
    start: struct({ ticket: byteString(1024), signature: byteString(64, 64), index: integer(47) }),
    versions: list(versionMetaSchema, VERSIONS_PER_FRAME, 1),
    fragment: struct({ root: hash32, proof: list(hash32, 8), chunk: byteString(64 * 1024, 1) }),
    chunk: byteString(64 * 1024, 1),
  }),
  MAX_FRAGMENT_FRAME,
)
export type UploadFrame = Infer<typeof uploadFrameCodec>

const failureSchema = struct({ code: byteString(48), message: byteString(512) })

/** Frames from the custodian: `ready` once it knows what is coming (where to go on, in versions), then the receipt or an error. */
export const uploadReplyCodec = codec(
  tagged({ ready: struct({}), receipt: struct({ receipt: byteString(256), signature: byteString(64, 64) }), error: failureSchema }),
  8192,
)

/** The one frame from the reader. */
export const releaseRequestCodec = codec(
  struct({
    request: byteString(64 * 1024),
    signature: byteString(64, 64),
    accessOpening: byteString(32 * 1024),
    consentOpening: nullable(byteString(16 * 1024)),
  }),
  MAX_FRAGMENT_FRAME,
)

/**
 * Frames from the custodian: `versions` until `count` were shown, the Merkle proof of them, then for each asked leaf a `fragment`
 * and its chunks. The proof binds what is shown to the anchored root; `total` is the number of leaves of the submission.
 */
export const releaseFrameCodec = codec(
  tagged({
    start: struct({
      total: integer(MAX_SUBMISSION_VERSIONS, 1),
      count: integer(MAX_SUBMISSION_VERSIONS),
      proof: list(hash32, 2 * MAX_SUBMISSION_VERSIONS),
      /** Index of the custodian's fragments. */
      index: integer(47),
    }),
    versions: list(struct({ leaf: integer(MAX_SUBMISSION_VERSIONS - 1), meta: versionMetaSchema }), VERSIONS_PER_FRAME),
    /** `chunkLeaves` in as many frames as it takes: the first says how many there are. */
    fragment: struct({
      leaf: integer(MAX_SUBMISSION_VERSIONS - 1),
      root: hash32,
      proof: list(hash32, 8),
      chunkLeaves: list(hash32, 16_384),
    }),
    leaves: list(hash32, 16_384),
    chunk: byteString(64 * 1024, 1),
    end: struct({}),
    error: failureSchema,
  }),
  MAX_FRAGMENT_FRAME,
)
export type ReleaseFrame = Infer<typeof releaseFrameCodec>
