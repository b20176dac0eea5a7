/**
 * Keys of the authenticated state: one namespace byte and fixed-length binary ids, one length per namespace, so that no key is
 * a prefix of another. Ids are hashes that contracts make.
 */
import { concat, u64 } from '../encoding/bytes.ts'

export const NAMESPACE = {
  /** Sentinel leaf below every key. */
  first: 0x00,
  /** Parameters of the chain, from genesis. */
  parameters: 0x01,
  account: 0x02,
  /** The decided validator sets: for this height, the next and the one after. */
  validators: 0x03,
  /** Custodians by the height at which the set changed. */
  custodians: 0x04,
  /** Height of the newest set of custodians. */
  custodiansHeight: 0x05,
  /** Open votes of the members. */
  proposal: 0x06,
  /** What a member sponsored in the present hour. */
  sponsorQuota: 0x07,
  /** An account's signing key hash to its account id. */
  accountKey: 0x08,
  /** A former set of custodians, by its height, to when another took its place. */
  custodiansUntil: 0x09,
  folder: 0x10,
  /** Hash of an owner key to its folder. */
  owner: 0x11,
  /** What a folder drew from its own bucket in the present hour. */
  folderBucket: 0x12,
  /** Count of a folder's events. */
  folderEvents: 0x13,
  submission: 0x20,
  erasure: 0x21,
  consent: 0x30,
  /** Count and head of a folder's access log. */
  accessLog: 0x40,
  /** Count and head of the chain's evidence of double signing. */
  evidence: 0x50,
  /** Hash of a consensus key to what it was proven to have signed twice. */
  conviction: 0x51,
  /** A custodian's record of audits. */
  audit: 0x60,
  /** A custodian's last order to repair its fragments of a submission. */
  repair: 0x70,
  /** Repairs that a custodian ordered in the present hour. */
  repairQuota: 0x71,
  /** A patient's dispute of a version, and how it was answered. */
  dispute: 0x90,
  /** Disputes of a folder that wait for an answer. */
  openDisputes: 0x91,
  /** Shares of a folder's key that lie with its custodians. */
  emergencyDeposit: 0x88,
  /** A clinician's rate of break-glass, and reviews that wait. */
  clinician: 0x89,
  /** What an organisation's people opened on the present day. */
  emergencyQuota: 0x8a,
  /** One break-glass, and its review. */
  emergency: 0x8b,
  /** A folder's pending recovery, and whether one was vetoed. */
  recovery: 0x80,
  /** Hash of a recovery key to its folder. */
  recoveryKey: 0x81,
  /** What was drawn in the present hour by a folder's recovery key. */
  recoveryBucket: 0x82,
  /** What makes a consent a delegation. */
  delegation: 0x84,
  /** A folder and the hash of a delegate's key to the delegation. */
  delegate: 0x85,
  /** The delegation under which a consent was granted. */
  grantedBy: 0x86,
  /** Sentinel leaf above every key. */
  last: 0xff,
} as const

function key(namespace: number, ...ids: readonly Uint8Array[]): Uint8Array {
  return concat(Uint8Array.of(namespace), ...ids)
}

export const stateKey = {
  first: (): Uint8Array => key(NAMESPACE.first),
  last: (): Uint8Array => key(NAMESPACE.last),
  parameters: (): Uint8Array => key(NAMESPACE.parameters),
  account: (accountId: Uint8Array): Uint8Array => key(NAMESPACE.account, accountId),
  /** All accounts. */
  accounts: (): Uint8Array => key(NAMESPACE.account),
  accountKey: (signingKeyHash: Uint8Array): Uint8Array => key(NAMESPACE.accountKey, signingKeyHash),
  validators: (): Uint8Array => key(NAMESPACE.validators),
  custodians: (height: number): Uint8Array => key(NAMESPACE.custodians, u64(height)),
  custodiansUntil: (height: number): Uint8Array => key(NAMESPACE.custodiansUntil, u64(height)),
  /** All sets of custodians. */
  allCustodians: (): Uint8Array => key(NAMESPACE.custodians),
  custodiansHeight: (): Uint8Array => key(NAMESPACE.custodiansHeight),
  proposal: (proposalHash: Uint8Array): Uint8Array => key(NAMESPACE.proposal, proposalHash),
  /** All proposals. */
  proposals: (): Uint8Array => key(NAMESPACE.proposal),
  sponsorQuota: (accountId: Uint8Array): Uint8Array => key(NAMESPACE.sponsorQuota, accountId),
  folder: (folderId: Uint8Array): Uint8Array => key(NAMESPACE.folder, folderId),
  owner: (ownerKeyHash: Uint8Array): Uint8Array => key(NAMESPACE.owner, ownerKeyHash),
  folderBucket: (folderId: Uint8Array): Uint8Array => key(NAMESPACE.folderBucket, folderId),
  folderEvents: (folderId: Uint8Array): Uint8Array => key(NAMESPACE.folderEvents, folderId),
  submission: (folderId: Uint8Array, submissionRoot: Uint8Array): Uint8Array => key(NAMESPACE.submission, folderId, submissionRoot),
  /** All submissions of a folder. */
  submissions: (folderId: Uint8Array): Uint8Array => key(NAMESPACE.submission, folderId),
  /** All submissions of all folders. */
  allSubmissions: (): Uint8Array => key(NAMESPACE.submission),
  /** Bound to the folder whose owner ordered it: who merely knows a version cannot erase it from another folder. */
  erasure: (folderId: Uint8Array, mark: Uint8Array): Uint8Array => key(NAMESPACE.erasure, folderId, mark),
  /** All marks of a folder. */
  erasures: (folderId: Uint8Array): Uint8Array => key(NAMESPACE.erasure, folderId),
  consent: (folderId: Uint8Array, consentId: Uint8Array): Uint8Array => key(NAMESPACE.consent, folderId, consentId),
  /** All consents of a folder. */
  consents: (folderId: Uint8Array): Uint8Array => key(NAMESPACE.consent, folderId),
  accessLog: (folderId: Uint8Array): Uint8Array => key(NAMESPACE.accessLog, folderId),
  evidence: (): Uint8Array => key(NAMESPACE.evidence),
  conviction: (consensusKeyHash: Uint8Array): Uint8Array => key(NAMESPACE.conviction, consensusKeyHash),
  /** All convicted keys. */
  convictions: (): Uint8Array => key(NAMESPACE.conviction),
  audit: (accountId: Uint8Array): Uint8Array => key(NAMESPACE.audit, accountId),
  /** The records of all custodians. */
  audits: (): Uint8Array => key(NAMESPACE.audit),
  /** Each custodian has its own: nobody can stand in the way of another's repair. */
  repair: (folderId: Uint8Array, submissionRoot: Uint8Array, custodianId: Uint8Array): Uint8Array =>
    key(NAMESPACE.repair, folderId, submissionRoot, custodianId),
  repairQuota: (accountId: Uint8Array): Uint8Array => key(NAMESPACE.repairQuota, accountId),
  dispute: (folderId: Uint8Array, disputeId: Uint8Array): Uint8Array => key(NAMESPACE.dispute, folderId, disputeId),
  /** All disputes of a folder. */
  disputes: (folderId: Uint8Array): Uint8Array => key(NAMESPACE.dispute, folderId),
  openDisputes: (folderId: Uint8Array): Uint8Array => key(NAMESPACE.openDisputes, folderId),
  emergencyDeposit: (folderId: Uint8Array): Uint8Array => key(NAMESPACE.emergencyDeposit, folderId),
  clinician: (accountId: Uint8Array, pseudonym: Uint8Array): Uint8Array => key(NAMESPACE.clinician, accountId, pseudonym),
  /** All of an organisation's people who ever broke the glass. */
  clinicians: (accountId: Uint8Array): Uint8Array => key(NAMESPACE.clinician, accountId),
  emergencyQuota: (accountId: Uint8Array): Uint8Array => key(NAMESPACE.emergencyQuota, accountId),
  emergency: (folderId: Uint8Array, entryId: Uint8Array): Uint8Array => key(NAMESPACE.emergency, folderId, entryId),
  /** All of a folder. */
  emergencies: (folderId: Uint8Array): Uint8Array => key(NAMESPACE.emergency, folderId),
  delegation: (folderId: Uint8Array, consentId: Uint8Array): Uint8Array => key(NAMESPACE.delegation, folderId, consentId),
  /** All delegations of a folder. */
  delegations: (folderId: Uint8Array): Uint8Array => key(NAMESPACE.delegation, folderId),
  delegate: (folderId: Uint8Array, delegateKeyHash: Uint8Array): Uint8Array => key(NAMESPACE.delegate, folderId, delegateKeyHash),
  grantedBy: (folderId: Uint8Array, consentId: Uint8Array): Uint8Array => key(NAMESPACE.grantedBy, folderId, consentId),
  recovery: (folderId: Uint8Array): Uint8Array => key(NAMESPACE.recovery, folderId),
  recoveryKey: (recoveryKeyHash: Uint8Array): Uint8Array => key(NAMESPACE.recoveryKey, recoveryKeyHash),
  recoveryBucket: (folderId: Uint8Array): Uint8Array => key(NAMESPACE.recoveryBucket, folderId),
}
