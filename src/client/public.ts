/**
 * The SDK, published as `epione/client`: a light peer in Node and in browsers. It trusts no node; every answer about the ledger is checked against a
 * header that a quorum signed. The README of this folder is the guide, `docs/api/client.md` the reference, `docs/errors.md` the list of error codes.
 *
 * Every call takes `{ signal }`, long ones `onProgress`; every error is an `EpioneError` with a stable `code`.
 */
export {
  type Grantee,
  type Period,
  type Provision,
  PURPOSES,
  type Purpose,
  RECORD_CLASSES,
  type RecordClass,
} from '../contracts/consent-terms.ts'
export { LABELS, type Label } from '../contracts/folders-formats.ts'
export { chainId, type Genesis, genesisCodec } from '../contracts/members-formats.ts'
export { phraseToSeed, seedToPhrase } from '../crypto/wallet.ts'
export { parseHex, toHex } from '../encoding/bytes.ts'
export { EpioneError, errorCode } from '../encoding/errors.ts'
export type { JudgedReceipt, ReceiptDoubt, ReceiptFlaw } from './access-audit.ts'
export {
  type AccessEvidence,
  type AccessReport,
  type CollectOptions,
  collectAccessEvidence,
  decodeEvidence,
  encodeEvidence,
  judgeEvidence,
  judgeEvidenceOffline,
  MAX_EVIDENCE_BYTES,
  type ShownEntry,
} from './access-evidence.ts'
export { type AccessLog, type LoggedAccess, type Release, readAccessLog, type SilentCustodian } from './access-log.ts'
export { type AuditEventNames, auditEventsOf } from './audit-events.ts'
export { decodeCheckpoint, encodeCheckpoint, type VouchedCheckpoint, vouchedCheckpoint, type WrittenCheckpoint } from './checkpoint.ts'
export { consentFromDocument } from './consent-fhir-document.ts'
export { type ConsentReading, consentFromFhir } from './consent-fhir-in.ts'
export { type ConsentAbout, consentToFhir } from './consent-fhir-out.ts'
export { type GrantInput, type GrantResult, grantConsent, listConsents, type OwnedConsent, revokeConsent } from './consents.ts'
export { type Conflict, CROSS_CHECK_MS, type CrossCheck, type CrossCheckOptions } from './cross-check.ts'
export { type CustodianInfo, readCustodians } from './custodians.ts'
export {
  createDelegateOffer,
  DELEGATE_OFFER,
  type DelegateOffer,
  type DelegationInput,
  decodeDelegateOffer,
  delegateName,
  delegationEnd,
  encodeDelegateOffer,
  grantAsDelegate,
  grantDelegation,
  listDelegations,
  MAX_OFFERED_KEYS,
  type OwnedDelegation,
  openDelegateSession,
  readNote,
  revokeAsDelegate,
} from './delegation.ts'
export { type Diagnosis, diagnose, type Finding, type NodeDiagnosis, type NodeState, waitUntilReady, watchHealth } from './diagnose.ts'
export {
  type AuthorDispute,
  answerDispute,
  authorDisputes,
  listDisputes,
  type OwnedDispute,
  spreadDisputes,
} from './disputes.ts'
export {
  closeReview,
  decodeEmergencyCard,
  type EmergencyCard,
  type EmergencyOptions,
  type EmergencySession,
  encodeEmergencyCard,
  openEmergency,
  type ReviewInput,
  waitingCases,
} from './emergency.ts'
export {
  type DepositResult,
  type DepositStatus,
  depositShares,
  depositStatus,
  needsDeposit,
  readDeposit,
  type SharePlace,
  shareHolders,
  withdrawShares,
} from './emergency-deposit.ts'
export {
  type ClinicianRate,
  clinicianRates,
  type FolderEmergency,
  listEmergencies,
  type ReviewState,
  readReview,
  reviewState,
  watchEmergencies,
} from './emergency-watch.ts'
export { advanceFolder, type EpochOptions, type NewEpoch, type Revoked, revokeAndAdvance } from './epochs.ts'
export {
  type Erasure,
  type ErasureOptions,
  type ErasureProgress,
  type ErasureSelection,
  type ErasureStatus,
  eraseRecords,
  erasureStatus,
  type Laggard,
  type ReceivedErasure,
  versionsToErase,
} from './erase.ts'
export {
  type AnchorProofs,
  type CheckedVersion,
  checkVersion,
  collectAnchors,
  commitsOf,
  decodeAnchors,
  encodeAnchors,
  isWholeSubmission,
  proofOf,
  readAnchors,
  type VersionProof,
} from './export-proofs.ts'
export {
  bundleFromVersions,
  collectionOf,
  type Describer,
  FHIR_MANIFEST_MEDIA_TYPE,
  FHIR_MEDIA_TYPE,
  type FhirDocument,
  type FhirRecords,
  type FhirRecordsOptions,
  type FhirVersion,
  type KnownRecord,
  loadDescriber,
  MAX_FHIR_BYTES,
  type ResourceDescription,
  recordsFromFhir,
} from './fhir-records.ts'
export {
  createEnrolment,
  decodeEnrolment,
  type Enrolment,
  encodeEnrolment,
  type FolderAddress,
  findOwnedFolder,
  folderOpener,
  folderOwnerKey,
  folderPublicKey,
  folderSeed,
  GAP_LIMIT,
  labelOf,
  type OpenedFolders,
  type OwnedFolder,
  openFolders,
  RECOVERY_KEYS,
  readFolder,
  scanFolders,
  type TakenOver,
  type Wallet,
} from './folders.ts'
export { eventsFrom, type FolderEvent, type FollowOptions, follow } from './follow.ts'
export { foldersLike, openFurtherFolder } from './further-folder.ts'
export { type Listing, type ListOptions, listVersions, readVersions, submissionsOf } from './get.ts'
export {
  findMember,
  type MemberSeat,
  openSeries,
  type ProposalProgress,
  readMembers,
  readProposals,
  type Seat,
  type VoteOutcome,
  voteFor,
} from './governance.ts'
export {
  type CombinedShares,
  combineHeld,
  decodeShareText,
  type Guardian,
  type HeldShare,
  openSealedShare,
  SEALED_SHARE,
  SHARE,
  type ShareText,
  shareAmong,
  shareFile,
} from './guardians.ts'
export {
  addressAfter,
  decodeHandOver,
  encodeHandOver,
  type HandOver,
  handOverFolder,
  prepareHandOver,
  type TakeOverResult,
  takeOverFolder,
} from './hand-over.ts'
export { type HeadsOptions, subscribeHeads } from './heads.ts'
export { useWorker, type WorkerLike, workerReport } from './heavy.ts'
export {
  type ContactCard,
  decodeCard,
  decodeShare,
  decodeShares,
  encodeCard,
  encodeShare,
  encodeShares,
  MAX_SHARED_FOLDERS,
  type Person,
  personFromSeeds,
  type ShareCode,
} from './identity.ts'
export { type Kept, type KeptValues, openKeptValues } from './indexed-store.ts'
export {
  type AsOf,
  accessLogStream,
  type Committed,
  createLightPeer,
  LightPeer,
  type LightPeerOptions,
  type MemberInfo,
  staleAfterMs,
} from './light-peer.ts'
export { type NextMemberKeys, rotateMemberKeys } from './member-keys.ts'
export { formatMetrics, READER_METRICS } from './metrics.ts'
export { type MoveOptions, type MoveProgress, type MoveResult, moveRecords } from './move.ts'
export type { CarriedDisputes } from './move-disputes.ts'
export { createWallet, type NewWallet } from './new-wallet.ts'
export type { CallOptions } from './nodes.ts'
export {
  acknowledgeNotice,
  type DisputePlace,
  disputePlaces,
  type Noticed,
  type NoticedReader,
  noticeReaders,
  type WaitingNotice,
  waitingNotices,
} from './notices.ts'
export {
  type DisputeInput,
  disputeLine,
  type OpenedDispute,
  openDispute,
  openDisputeAsDelegate,
  withdrawDispute,
  withdrawDisputeAsDelegate,
} from './open-dispute.ts'
export { type Flushed, memoryOutboxStore, Outbox, type OutboxEntry, type OutboxSender, type OutboxStore } from './outbox.ts'
export { openOutboxStore } from './outbox-files.ts'
export { rotateOwner } from './owner-rotation.ts'
export { answerPairing, checkNumber, openPairing, type PairedWallet, pairingRequest } from './pairing.ts'
export { askPasskey, createPasskey } from './passkey.ts'
export {
  type Counted,
  type OwnVersion,
  type Preview,
  type PreviewReader,
  type PreviewVersion,
  previewVersion,
  previewVersions,
  readerOf,
  type Unseen,
} from './preview.ts'
export { type PutOptions, type PutResult, putRecords, type WrittenVersion } from './put.ts'
export type { PutProgress } from './put-meter.ts'
export type { AnchoredSubmission, ListedVersion, ReadOptions, ReadVersion, Resumable } from './read-types.ts'
export {
  type CheckedReceipt,
  type CheckedReceipts,
  checkReceiptsOffline,
  checkReceiptsOnline,
  decodeReceipts,
  encodeReceipts,
  type ReceiptSet,
} from './receipt-set.ts'
export type { RecordInput } from './record-input.ts'
export { type Content, contentOf, MAX_CONTENT_BYTES } from './record-object.ts'
export { followRecords, listRecords, type NewSubmission, type ReadRecord, readRecord, recordHistory } from './records.ts'
export {
  cancelRecovery,
  type FolderWarning,
  finishRecovery,
  type RecoverableFolder,
  type RecoveryStep,
  recoveredFolders,
  recoveryWarnings,
  SPREAD_MS,
  type SpreadOptions,
  scanRecoverable,
  spread,
  startRecovery,
  successorWallet,
  vetoRecovery,
  withEpochs,
} from './recovery.ts'
export { foldersToRenew, type RenewedFolder, renewRecovered } from './recovery-epochs.ts'
export { encodeKit, openKit, type RecoveryKit } from './recovery-kit.ts'
export { openOwnSession, openSession, type Session, type SessionOptions } from './session.ts'
export {
  grantSharing,
  listSharings,
  type OwnedSharing,
  type PlannedConsent,
  type PreviewInput,
  planSharing,
  previewSharing,
  type RevokedSharing,
  revokeSharing,
  type SharedConsent,
  type SharingDecision,
  type SharingInput,
  type SharingList,
  type SharingPreview,
  type SharingResult,
  type SharingRule,
} from './sharing.ts'
export type { Signer } from './signer.ts'
export type { CustodianFailure, CustodianOutcome, CustodianStanding, OutcomeCounts } from './standings.ts'
export { type Checkpoint, CLOCK_DRIFT_MS, TRUSTING_PERIOD_MS, WITNESSES_NEEDED, type Witness } from './trust.ts'
export type { JournalStore } from './upload-journal.ts'
export { addLock, MAX_VAULT_SECRETS, openVault, relockVault, sealVault, type Unlock, vaultPasskeys } from './vault.ts'
export type { VersionDispute } from './version-disputes.ts'
export { generateWebCryptoKey, webCryptoSigner } from './webcrypto-signer.ts'
