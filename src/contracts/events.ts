/** What the events of contracts carry: canonical bytes of one of these formats, by the event's name. */
import { bool, type Codec, codec, hash32, type Infer, integer, nullable, oneOf, struct } from '../encoding/schema.ts'
import { MAX_ROUND } from '../ledger/certificate.ts'

const MAX_EVENT_DATA = 512

/** `folders.created` */
export const folderCreatedCodec = codec(struct({ author: hash32, ownerKeyHash: hash32 }), MAX_EVENT_DATA)
/** `folders.rotated` */
export const folderRotatedCodec = codec(struct({ ownerKeyHash: hash32, recoveryKeyHash: hash32 }), MAX_EVENT_DATA)
/** `folders.advanced`: the new epoch. */
export const folderAdvancedCodec = codec(struct({ epoch: integer(0xffff_ffff) }), MAX_EVENT_DATA)
/** `folders.relabelled` */
export const folderRelabelledCodec = codec(struct({ labelCommitment: hash32 }), MAX_EVENT_DATA)
/** `records.anchored` */
export const recordsAnchoredCodec = codec(
  struct({ submissionRoot: hash32, author: hash32, epoch: integer(0xffff_ffff), memberHeight: integer() }),
  MAX_EVENT_DATA,
)
/** `records.erased`: how many marks are new. The marks themselves are in the transaction and the state. */
export const recordsErasedCodec = codec(struct({ marks: integer() }), MAX_EVENT_DATA)
/** `consents.granted` */
export const consentGrantedCodec = codec(struct({ consent: hash32, epoch: integer(0xffff_ffff), expiry: integer() }), MAX_EVENT_DATA)
/** `consents.revoked` */
export const consentRevokedCodec = codec(struct({ consent: hash32 }), MAX_EVENT_DATA)
/** `consents.rewrapped`: how many consents went on in a new epoch; they are in the transaction and the state. */
export const consentsRewrappedCodec = codec(struct({ epoch: integer(0xffff_ffff), count: integer() }), MAX_EVENT_DATA)
/** `access.opened`: the entry's id, its place in the folder's log, and who answers for it (null: the owner). */
export const accessOpenedCodec = codec(
  struct({ entry: hash32, position: integer(), organisation: nullable(hash32), consent: nullable(hash32), until: integer() }),
  MAX_EVENT_DATA,
)
export type AccessOpened = Infer<typeof accessOpenedCodec>
/** `disputes.opened`: the day by which the author has to answer, in ms. */
export const disputeOpenedCodec = codec(struct({ dispute: hash32, due: integer() }), MAX_EVENT_DATA)
/** `disputes.withdrawn`: the owner, or who opened it for them, holds to it no more. */
export const disputeWithdrawnCodec = codec(struct({ dispute: hash32 }), MAX_EVENT_DATA)
/** `disputes.answered`: where it was accepted, the submission with the new version. */
export const disputeAnsweredCodec = codec(
  struct({ dispute: hash32, status: oneOf('accepted', 'refused'), submissionRoot: nullable(hash32) }),
  MAX_EVENT_DATA,
)
/** `members.voted`, `members.admitted`, `members.removed`, `members.amended`: the proposal and the account that it is about. */
export const membersChangedCodec = codec(struct({ proposal: hash32, account: hash32 }), MAX_EVENT_DATA)

/** `members.rotated`: the member took new keys. The subject is its account. */
export const membersRotatedCodec = codec(struct({ account: hash32 }), MAX_EVENT_DATA)
/** `members.accused`: where the validator signed twice, and the place of the evidence in its log. The subject is the validator's account. */
export const membersAccusedCodec = codec(
  struct({
    validator: hash32,
    kind: oneOf('prevote', 'precommit', 'proposal'),
    height: integer(),
    round: integer(MAX_ROUND),
    entry: integer(),
  }),
  MAX_EVENT_DATA,
)
/** `members.evicted`: the validator lost its seat; from height `effective` on it does not sign. */
export const membersEvictedCodec = codec(struct({ validator: hash32, effective: integer() }), MAX_EVENT_DATA)
/** `audits.absent`, `audits.kept`, `audits.returned`: the window whose reports decided it. The subject is the custodian's account. */
export const auditsChangedCodec = codec(struct({ window: integer() }), MAX_EVENT_DATA)
/** `repairs.ordered`: how many orders a custodian gave; they are in the transaction and the state. */
export const repairsOrderedCodec = codec(struct({ orders: integer() }), MAX_EVENT_DATA)
/** `emergency.deposited`: shares of the epoch's key lie with the custodians, under commitments of this hash. */
export const emergencyDepositedCodec = codec(struct({ epoch: integer(0xffff_ffff), commitments: hash32 }), MAX_EVENT_DATA)
/** `emergency.withdrawn` */
export const emergencyWithdrawnCodec = codec(struct({}), MAX_EVENT_DATA)
/** `emergency.opened`: the access entry, and who answers for it. */
export const emergencyOpenedCodec = codec(
  struct({ entry: hash32, organisation: hash32, clinician: hash32, until: integer() }),
  MAX_EVENT_DATA,
)
/** `emergency.reviewed`: the access entry, and the name of who closed its review. */
export const emergencyReviewedCodec = codec(struct({ entry: hash32, reviewer: hash32 }), MAX_EVENT_DATA)
/** `recovery.started`: when it may be finished, and whether the owner can do nothing against it. */
export const recoveryStartedCodec = codec(struct({ ends: integer(), isFinal: bool }), MAX_EVENT_DATA)
/** `recovery.vetoed`, `recovery.cancelled`: the owner key that does not come. */
export const recoverySettledCodec = codec(struct({ ownerKeyHash: hash32 }), MAX_EVENT_DATA)
/** `recovery.finished`: the keys that are in force. */
export const recoveryFinishedCodec = codec(struct({ ownerKeyHash: hash32, recoveryKeyHash: hash32 }), MAX_EVENT_DATA)
/** `recovery.rekeyed` */
export const recoveryRekeyedCodec = codec(struct({ recoveryKeyHash: hash32 }), MAX_EVENT_DATA)
/** `recovery.announced`: another recovery key by the owner alone, and when it may come into force. */
export const recoveryAnnouncedCodec = codec(struct({ recoveryKeyHash: hash32, due: integer() }), MAX_EVENT_DATA)
/** `delegations.granted` */
export const delegationGrantedCodec = codec(
  struct({ delegation: hash32, rights: integer(31), start: integer(), expiry: integer() }),
  MAX_EVENT_DATA,
)

const EVENT_DATA = {
  'folders.created': folderCreatedCodec,
  'folders.rotated': folderRotatedCodec,
  'folders.advanced': folderAdvancedCodec,
  'folders.relabelled': folderRelabelledCodec,
  'records.anchored': recordsAnchoredCodec,
  'records.erased': recordsErasedCodec,
  'consents.granted': consentGrantedCodec,
  'consents.revoked': consentRevokedCodec,
  'consents.rewrapped': consentsRewrappedCodec,
  'access.opened': accessOpenedCodec,
  'disputes.opened': disputeOpenedCodec,
  'disputes.withdrawn': disputeWithdrawnCodec,
  'disputes.answered': disputeAnsweredCodec,
  'members.voted': membersChangedCodec,
  'members.admitted': membersChangedCodec,
  'members.removed': membersChangedCodec,
  'members.amended': membersChangedCodec,
  'members.rotated': membersRotatedCodec,
  'members.accused': membersAccusedCodec,
  'members.evicted': membersEvictedCodec,
  'audits.absent': auditsChangedCodec,
  'audits.kept': auditsChangedCodec,
  'audits.returned': auditsChangedCodec,
  'repairs.ordered': repairsOrderedCodec,
  'emergency.deposited': emergencyDepositedCodec,
  'emergency.withdrawn': emergencyWithdrawnCodec,
  'emergency.opened': emergencyOpenedCodec,
  'emergency.reviewed': emergencyReviewedCodec,
  'delegations.granted': delegationGrantedCodec,
  'recovery.started': recoveryStartedCodec,
  'recovery.vetoed': recoverySettledCodec,
  'recovery.cancelled': recoverySettledCodec,
  'recovery.finished': recoveryFinishedCodec,
  'recovery.rekeyed': recoveryRekeyedCodec,
  'recovery.announced': recoveryAnnouncedCodec,
} as const

export type EventName = keyof typeof EVENT_DATA
export type EventData<N extends EventName> = Infer<(typeof EVENT_DATA)[N]>

/** Whether this version of the code knows an event. */
export function isEventName(name: string): name is EventName {
  return Object.hasOwn(EVENT_DATA, name)
}

/** Reads what an event carries. @throws MalformedError */
export function decodeEventData<N extends EventName>(name: N, data: Uint8Array): EventData<N> {
  return (EVENT_DATA[name] as unknown as Codec<EventData<N>>).decode(data)
}
