/** Frames of the repair protocol, between members: one question a stream. */

import { labelSchema } from '../contracts/folders-formats.ts'
import { bool, codec, hash32, type Infer, integer, list, struct, tagged } from '../encoding/schema.ts'
import { MAX_FRAGMENTS } from '../fragments/erasure.ts'
import { MAX_SUBMISSION_VERSIONS, versionMetaSchema } from '../fragments/formats.ts'
import { failureSchema, withChunks } from './fragment-messages.ts'
import { MAX_FRAGMENT_FRAME } from './protocols.ts'

/** Submissions of one question what is held. */
export const INVENTORY_LIMIT = 256
/** Versions with their roots that fit one frame. */
export const REPAIR_VERSIONS_PER_FRAME = 64

const submissionSchema = { folder: hash32, submissionRoot: hash32 }

/** The one frame from who asks. */
export const repairRequestCodec = codec(
  tagged({
    /** Which of these submissions do you hold in whole? */
    inventory: struct({ roots: list(hash32, INVENTORY_LIMIT, 1) }),
    /** What a holder keeps of a submission's versions beside their fragments. */
    metas: struct(submissionSchema),
    /** Your part of these versions' sums, under the asker's last order; in the order of the positions, which ascend. */
    sums: struct({
      ...submissionSchema,
      attempt: integer(0xffff_ffff, 1),
      leaves: list(integer(MAX_SUBMISSION_VERSIONS - 1), MAX_SUBMISSION_VERSIONS, 1),
    }),
  }),
  64 * 1024,
)
export type RepairRequest = Infer<typeof repairRequestCodec>

/**
 * Frames of the answer. To `inventory`: `held`, one for each root. To `metas`: `submission`, then `versions` until all were told. To `sums`: for each
 * position `version`, then its masked chunks, or `without` where there is none to give. Then `end`. An `error` ends it instead.
 */
export const repairReplyCodec = withChunks(
  codec(
    tagged({
      held: list(bool, INVENTORY_LIMIT),
      submission: struct({ versions: integer(MAX_SUBMISSION_VERSIONS, 1), label: labelSchema, labelSalt: hash32 }),
      versions: list(
        tagged({
          held: struct({ meta: versionMetaSchema, fragmentRoots: list(hash32, MAX_FRAGMENTS, 3) }),
          /** Erased, or not here: the hash of its leaf alone, so that the others can be checked. */
          hidden: struct({ leafHash: hash32 }),
        }),
        REPAIR_VERSIONS_PER_FRAME,
        1,
      ),
      version: struct({ leaf: integer(MAX_SUBMISSION_VERSIONS - 1) }),
      without: struct({ leaf: integer(MAX_SUBMISSION_VERSIONS - 1) }),
      end: struct({}),
      error: failureSchema,
    }),
    MAX_FRAGMENT_FRAME,
  ),
)
export type RepairReply = Infer<typeof repairReplyCodec>
