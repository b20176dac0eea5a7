/** Every codec of the protocols and of the disk, by room and file. fuzz/codecs.test.ts compares this list with the sources. */
import { join } from 'node:path'
import type { Codec } from '../../src/encoding/schema.ts'
import { ROOT } from '../laws.ts'

/** Exported codecs by file under `src/`. */
export const CODECS: Readonly<Record<string, readonly string[]>> = {
  'consensus/inputs.ts': ['walEntryCodec'],
  'consensus/messages.ts': ['proposalCodec', 'consensusMessageCodec'],
  'contracts/access-formats.ts': ['openBodyCodec', 'accessEntryCodec'],
  'contracts/audits-formats.ts': ['auditReportCodec', 'auditRecordCodec'],
  'contracts/consent-terms.ts': ['consentOpeningCodec', 'accessOpeningCodec'],
  'contracts/consents-formats.ts': ['consentCodec', 'grantBodyCodec', 'revokeBodyCodec', 'rewrapBodyCodec'],
  'contracts/events.ts': [
    'folderCreatedCodec',
    'folderRotatedCodec',
    'folderRelabelledCodec',
    'folderAdvancedCodec',
    'recordsAnchoredCodec',
    'recordsErasedCodec',
    'consentGrantedCodec',
    'consentRevokedCodec',
    'consentsRewrappedCodec',
    'accessOpenedCodec',
    'membersChangedCodec',
    'membersRotatedCodec',
    'membersAccusedCodec',
    'membersEvictedCodec',
    'auditsChangedCodec',
    'repairsOrderedCodec',
  ],
  'contracts/evidence-formats.ts': ['evidenceBodyCodec', 'evidenceEntryCodec', 'convictionCodec'],
  'contracts/folder-labels.ts': ['relabelFolderCodec'],
  'contracts/folders-formats.ts': ['folderCodec', 'createFolderCodec', 'rotateFolderCodec', 'advanceFolderCodec', 'ownerCodec'],
  'contracts/member-keys.ts': ['accountKeyCodec'],
  'contracts/members-formats.ts': [
    'organisationCodec',
    'accountCodec',
    'rotateMemberCodec',
    'validatorsCodec',
    'custodiansCodec',
    'counterCodec',
    'parametersCodec',
    'genesisCodec',
    'voteBodyCodec',
    'proposalStateCodec',
    'quotaCodec',
    'logHeadCodec',
  ],
  'contracts/records-formats.ts': ['anchorBodyCodec', 'anchorCodec', 'eraseBodyCodec', 'erasureCodec'],
  'contracts/repairs-formats.ts': ['repairOrdersCodec', 'repairEntryCodec'],
  'fragments/formats.ts': [
    'versionLeafCodec',
    'objectHeaderCodec',
    'versionMetaCodec',
    'uploadTicketCodec',
    'storageReceiptCodec',
    'erasureReceiptCodec',
    'readRequestCodec',
    'releaseOpeningsCodec',
    'releaseReceiptCodec',
  ],
  'fragments/move.ts': ['moveCodec'],
  'ledger/block.ts': ['blockCodec', 'batchCodec'],
  'ledger/certificate.ts': ['certificateCodec'],
  'ledger/chain-records.ts': ['tipCodec', 'baseCodec', 'headCodec', 'bodyCodec', 'outcomeCodec'],
  'ledger/evidence.ts': ['voteCodec', 'signedProposalCodec', 'evidenceCodec'],
  'ledger/header.ts': ['headerCodec', 'validatorSetCodec'],
  'ledger/receipt.ts': ['receiptCodec'],
  'ledger/snapshot.ts': ['chunkCodec', 'manifestCodec'],
  'ledger/state-proof.ts': ['stateProofCodec', 'prefixProofCodec'],
  'network/audit-messages.ts': ['auditChallengeCodec', 'auditAnswerCodec'],
  'network/fragment-messages.ts': ['uploadFrameCodec', 'uploadReplyCodec', 'releaseRequestCodec', 'releaseFrameCodec'],
  'network/light-messages.ts': [
    'lightRequestCodec',
    'jsonResponseCodec',
    'genesisResponseCodec',
    'commitResponseCodec',
    'queryResponseCodec',
    'prefixResponseCodec',
    'logResponseCodec',
    'locateResponseCodec',
    'submitResponseCodec',
    'sponsorResponseCodec',
    'signatureResponseCodec',
    'openFolderCodec',
    'receiptResponseCodec',
    'announcementCodec',
    'deskContentCodec',
    'deskRequestCodec',
    'deskResponseCodec',
    'folderRequestCodec',
    'folderAskCodec',
    'wrapResponseCodec',
    'releasesResponseCodec',
    'erasuresResponseCodec',
  ],
  'network/peer-status-messages.ts': ['peerStatusCodec'],
  'network/repair-messages.ts': ['repairRequestCodec', 'repairReplyCodec'],
  'network/validator-messages.ts': [
    'syncRequestCodec',
    'syncResponseCodec',
    'batchRequestCodec',
    'batchResponseCodec',
    'snapshotRequestCodec',
    'snapshotListCodec',
    'snapshotManifestCodec',
    'snapshotChunkCodec',
    'headsCodec',
    'receiptBlocksCodec',
  ],
}

/** Codecs that their files keep to themselves, and through what they are fuzzed (a target of targets.ts), or why not. */
export const PRIVATE_CODECS: Readonly<Record<string, readonly string[]>> = {
  'client/consent-note.ts': ["of the own folder, opened with the folder's key"],
  'client/folders.ts': ['enrolment: the target "enrolment"'],
  'client/hand-over.ts': ['in "hand-over"', "opened with the wallet's own key, sealed to it by whom its owner was enrolled by"],
  'client/identity.ts': ['card: the target "card"', 'share: the target "share"', 'shares: the target "shares"'],
  'client/pairing.ts': ['in "pairing request"', 'in "pairing answer"', 'opened with the key of the own request'],
  'client/receipt-set.ts': ['receipts: the target "receipts"'],
  'client/upload-journal.ts': ["of the own home, opened with the author's key"],
  'consensus/guard.ts': ['the target "signing guard"'],
  'contracts/folders-formats.ts': ['label commitment: encoded alone, never read'],
  'contracts/members-formats.ts': ['new keys: encoded alone, never read'],
  'crypto/keystore.ts': ['of the own file, read after its checksum and its decryption'],
  'fhir/bundle.ts': ['the target "bundle manifest"'],
  'fragments/formats.ts': ['class opening: encoded alone, never read'],
  'fragments/repair.ts': ['mask context: encoded alone, never read'],
  'fragments/fragment-index.ts': ['of the own store: the targets "fragment index"', 'the same'],
  'ledger/certificate.ts': ['vote content: read back from the own guard alone, after its checksum'],
  'ledger/transaction.ts': ['content: the target "transaction"', 'envelope: the same'],
  'node/custodian/erasure-receipts.ts': ['of the own store', 'the same'],
  'node/custodian/receipts.ts': ['of the own store, sealed by the keyring', 'the same'],
  'node/custodian/scrub.ts': ['of the own store'],
  'node/custodian/submissions.ts': ['of the own store, sealed by the keyring', 'the same', 'the same'],
  'node/custodian/wraps.ts': ['of the own store, sealed by the keyring', 'the same'],
}

export interface NamedCodec {
  room: string
  name: string
  codec: Codec<unknown>
}

export async function loadCodecs(): Promise<NamedCodec[]> {
  const found: NamedCodec[] = []
  for (const [file, names] of Object.entries(CODECS)) {
    const module = (await import(join(ROOT, 'src', file))) as Record<string, Codec<unknown>>
    for (const name of names) {
      const codec = module[name]
      if (codec === undefined) throw new Error(`src/${file} exports no ${name}`)
      found.push({ room: file.split('/')[0] as string, name, codec })
    }
  }
  return found
}
