/** Formats of the repairs contract. */
import { codec, hash32, type Infer, integer, list, struct } from '../encoding/schema.ts'
import { MAX_TRANSACTION_BYTES } from '../ledger/limits.ts'

/** Orders that a custodian may give within one hour of block time. They bound what repairs add to the ledger, not what they reveal. */
export const REPAIR_QUOTA = 10_000

/** Those who are to help, ascending by the index of the fragment that each holds. */
const helpersSchema = list(struct({ id: hash32, index: integer(47) }), 32, 2)

const orderSchema = struct({
  folder: hash32,
  submissionRoot: hash32,
  /** Index that the author is to hold, and lacks in whole or in part. */
  index: integer(47),
  helpers: helpersSchema,
  /** One more than that of the author's last order for this submission; 1 for the first. */
  attempt: integer(0xffff_ffff, 1),
})
export type RepairOrder = Infer<typeof orderSchema>

/** Body of `repairs.order`, from the custodian that lacks the fragments. */
export const repairOrdersCodec = codec(struct({ orders: list(orderSchema, 256, 1) }), MAX_TRANSACTION_BYTES)
export type RepairOrders = Infer<typeof repairOrdersCodec>

/** Value at `stateKey.repair`: the last order of a custodian for a submission. All before it are void. */
export const repairEntryCodec = codec(
  struct({
    index: integer(47),
    helpers: helpersSchema,
    attempt: integer(0xffff_ffff, 1),
    /** Height of the block that holds the order. */
    height: integer(),
  }),
  2048,
)
export type RepairEntry = Infer<typeof repairEntryCodec>
