/** Formats of the recovery contract: a folder's keys in other hands, after a wait in which the present owner may object. */
import { bool, codec, hash32, type Infer, integer, nullable, struct } from '../encoding/schema.ts'

/** Body of `recovery.start`, from the folder by its recovery key: the keys that are to come. */
export const startRecoveryCodec = codec(struct({ ownerKeyHash: hash32, recoveryKeyHash: hash32 }), 128)
export type StartRecovery = Infer<typeof startRecoveryCodec>

/** Body of `recovery.veto` (by the owner key), `recovery.cancel` (by the recovery key) and `recovery.finish` (by the recovery key or the new owner key). */
export const settleRecoveryCodec = codec(struct({ ownerKeyHash: hash32 }), 64)
export type SettleRecovery = Infer<typeof settleRecoveryCodec>

/** Body of `recovery.rekey`, from the folder by its recovery key: another recovery key in its place, at once. */
export const rekeyRecoveryCodec = codec(struct({ recoveryKeyHash: hash32 }), 64)
export type RekeyRecovery = Infer<typeof rekeyRecoveryCodec>

/** Value at `stateKey.recovery`; absent where all of it would be empty. */
export const recoveryCodec = codec(
  struct({
    /** The owner objected once already: what is started from then on waits longer and cannot be vetoed. */
    vetoed: bool,
    pending: nullable(
      struct({
        ownerKeyHash: hash32,
        recoveryKeyHash: hash32,
        /** From this block time on it may be finished, in ms. */
        ends: integer(),
        /** Whether the owner can do nothing against it. */
        isFinal: bool,
      }),
    ),
    /** Another recovery key that the owner announced: in force when the owner says it again at or after `due`, in ms of block time. */
    announced: nullable(struct({ recoveryKeyHash: hash32, due: integer() })),
  }),
  512,
)
export type Recovery = Infer<typeof recoveryCodec>
export type PendingRecovery = NonNullable<Recovery['pending']>

/** Value at `stateKey.recoveryKey`. */
export const recoveryKeyCodec = codec(hash32, 64)
