/** Formats of the emergency contract: shares of a folder's key at its custodians, break-glass, and the review that closes it. */
import { taggedHash } from '../encoding/hash.ts'
import { bool, codec, fixedBytes, hash32, type Infer, integer, list, nullable, oneOf, struct, text } from '../encoding/schema.ts'
import { accessOpeningCodec, type Purpose } from './consent-terms.ts'

/** Longest break-glass session, in ms. */
export const MAX_EMERGENCY_MS = 4 * 60 * 60 * 1000
/** Days over which the ledger shows a clinician's rate. */
export const RATE_DAYS = 30
/** Most reviews of one clinician that are open at once. */
export const MAX_OPEN_REVIEWS = 64

/** Roles in which a folder is opened by breaking the glass. */
export const EMERGENCY_ROLES: readonly string[] = ['emergency-physician', 'emergency-nurse', 'paramedic', 'intensive-care-physician']
/** Roles in which a review is closed. */
export const REVIEW_ROLES: readonly string[] = ['medical-director', 'privacy-officer', 'emergency-reviewer']
export const EMERGENCY_PURPOSES: readonly Purpose[] = ['BTG', 'ETREAT']

/** Why the patient is not asked. */
export const EMERGENCY_REASONS = [
  'unconscious',
  'life-threatening',
  'unable-to-consent',
  'minor-without-guardian',
  'public-health',
] as const
export type EmergencyReason = (typeof EMERGENCY_REASONS)[number]
export const emergencyReasonSchema = oneOf(...EMERGENCY_REASONS)

/** What the commitment of an emergency's access entry opens to. */
export const emergencyOpeningCodec = codec(struct({ access: accessOpeningCodec, reason: emergencyReasonSchema }), 33 * 1024)
export type EmergencyOpening = Infer<typeof emergencyOpeningCodec>

export function emergencyCommitment(opening: EmergencyOpening): Uint8Array {
  return taggedHash('emergency-commitment', emergencyOpeningCodec.encode(opening))
}

/**
 * The name under which the ledger counts what somebody of an organisation opens and reviews: the same for one key at one organisation.
 * Custodians compare it with the key that reads, so that nobody opens under another's name. Whoever knows the key knows the name.
 */
export function clinicianPseudonym(organisation: Uint8Array, key: Uint8Array): Uint8Array {
  return taggedHash('clinician', organisation, key)
}

/** Limits of break-glass, of genesis. */
export const emergencyParametersSchema = struct({
  /** Folders that one clinician opens within one day. */
  perClinicianDay: integer(MAX_OPEN_REVIEWS, 1),
  /** Folders that one organisation's people open within one day. */
  perOrganisationDay: integer(1_000_000, 1),
  /** Time within which a review is to be closed, in ms. */
  reviewMs: integer(90 * 86_400_000, 1000),
  /** Overdue reviews with which a clinician opens nothing any more. */
  maxOverdue: integer(MAX_OPEN_REVIEWS, 1),
})
export type EmergencyParameters = Infer<typeof emergencyParametersSchema>

/** What a network takes where its founders do not decide otherwise. */
export const EMERGENCY_DEFAULTS: EmergencyParameters = {
  perClinicianDay: 8,
  perOrganisationDay: 200,
  reviewMs: 72 * 60 * 60 * 1000,
  maxOverdue: 3,
}

/** Body of `emergency.deposit`, from the folder. */
export const depositBodyCodec = codec(
  struct({
    /** Epoch whose key is shared; the folder's present one. */
    epoch: integer(0xffff_ffff),
    /** Height of the set of custodians over which the shares are placed, by the folder's id. */
    memberHeight: integer(),
    /** Hash of the commitments to the shares. */
    commitments: hash32,
  }),
  256,
)
export type DepositBody = Infer<typeof depositBodyCodec>

/** Value at `stateKey.emergencyDeposit`: shares under any other commitments are worth nothing. */
export const depositCodec = codec(
  struct({
    epoch: integer(0xffff_ffff),
    memberHeight: integer(),
    commitments: hash32,
    height: integer(),
    /** Whether the owner took it back: it opens nothing, and no wallet leaves another one by itself. */
    withdrawn: bool,
  }),
  256,
)
export type Deposit = Infer<typeof depositCodec>

/** A deposit that opens something; null where there is none, or it was taken back. */
export function standingDeposit(deposit: Deposit | null | undefined): Deposit | null {
  return deposit == null || deposit.withdrawn ? null : deposit
}

/** Body of `emergency.withdraw`, from the folder: nobody breaks its glass any more. */
export const withdrawBodyCodec = codec(struct({}), 16)

/** Body of `emergency.open`, from the organisation that answers for the clinician. */
export const emergencyOpenBodyCodec = codec(
  struct({
    folder: hash32,
    /** Commitment to clinician, role, purpose and reason. */
    commitment: hash32,
    /** Name by which the ledger counts: see {@link clinicianPseudonym}. */
    clinician: hash32,
    /** End of the session, excluded, in ms of block time. */
    until: integer(),
  }),
  256,
)
export type EmergencyOpenBody = Infer<typeof emergencyOpenBodyCodec>

/** Body of `emergency.review`, from the same organisation. */
export const reviewBodyCodec = codec(
  struct({
    folder: hash32,
    entry: hash32,
    /** Name of who reviewed; another than the clinician's. */
    reviewer: hash32,
    /** Commitment to the outcome. */
    commitment: hash32,
    /** Hash of the opening, sealed to the folder, as custodians keep it for the owner. */
    sealedHash: hash32,
  }),
  256,
)
export type ReviewBody = Infer<typeof reviewBodyCodec>

/** What a review's commitment opens to: for the owner and the organisation. */
export const reviewOpeningCodec = codec(
  struct({
    salt: hash32,
    folder: hash32,
    entry: hash32,
    /** Signing key of who reviewed. */
    reviewer: fixedBytes(32),
    role: text(64, /^[a-z][a-z0-9-]*$/),
    outcome: oneOf('justified', 'not-justified'),
    /** What the reviewer says of it to the patient. */
    comment: text(1000),
  }),
  8 * 1024,
)
export type ReviewOpening = Infer<typeof reviewOpeningCodec>

export function reviewCommitment(opening: ReviewOpening): Uint8Array {
  return taggedHash('emergency-review', reviewOpeningCodec.encode(opening))
}

/** Value at `stateKey.emergency`: one break-glass, and its review once that is closed. */
export const emergencyCodec = codec(
  struct({
    organisation: hash32,
    clinician: hash32,
    /** Time of the block that has its access entry, in ms. */
    time: integer(),
    until: integer(),
    height: integer(),
    review: nullable(struct({ reviewer: hash32, commitment: hash32, sealedHash: hash32, time: integer(), height: integer() })),
  }),
  512,
)
export type Emergency = Infer<typeof emergencyCodec>

/** Value at `stateKey.clinician`: what somebody opened within {@link RATE_DAYS}, and what of it waits for its review. */
export const clinicianCodec = codec(
  struct({
    /** By day since the epoch, ascending; days with none are left out. */
    days: list(struct({ day: integer(), opened: integer(MAX_OPEN_REVIEWS) }), RATE_DAYS),
    /** By their access entries; which folders they are of, this does not say: it is for everybody to list. */
    open: list(struct({ entry: hash32, time: integer() }), MAX_OPEN_REVIEWS),
    /** Reviews that were closed, ever. */
    reviewed: integer(),
  }),
  16 * 1024,
)
export type Clinician = Infer<typeof clinicianCodec>

/** Value at `stateKey.emergencyQuota`: what an organisation's people opened on a day. */
export const emergencyQuotaCodec = codec(struct({ day: integer(), opened: integer() }), 32)
