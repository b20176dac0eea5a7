/** Messages of the light protocol: what anybody may ask a node. Whatever matters in an answer is proven against a header. */

import { purposeSchema, roleSchema } from '../contracts/consent-terms.ts'
import { sealedStatementSchema } from '../contracts/disputes-formats.ts'
import { emergencyReasonSchema } from '../contracts/emergency-formats.ts'
import { LAST_EPOCH, labelSchema, MAX_PAST_KEYS_BYTES } from '../contracts/folders-formats.ts'
import { SEALING_PUBLIC_KEY_LENGTH } from '../crypto/sealing-suites.ts'
import { MAX_SHARES } from '../crypto/secret-sharing.ts'
import { bool, byteString, codec, hash32, type Infer, integer, list, nullable, struct, tagged, text } from '../encoding/schema.ts'
import { certificateCodec } from '../ledger/certificate.ts'
import { headerCodec, validatorSetCodec } from '../ledger/header.ts'
import { MAX_TRANSACTION_BYTES, MAX_VALIDATORS } from '../ledger/limits.ts'
import { prefixProofCodec, stateProofCodec } from '../ledger/state-proof.ts'
import { keptNoticesSchema } from './notice-messages.ts'
import { MAX_LIGHT_REQUEST, MAX_LIGHT_RESPONSE } from './protocols.ts'

/** Most keys of one query. */
export const MAX_QUERY_KEYS = 256
/** Most entries of one page. */
export const MAX_PAGE = 1000
/** Most events of one page. */
export const MAX_EVENTS = 64
/** Most holders that one answer names. */
export const MAX_HOLDERS = 64
/** Longest time for which a node keeps a transaction back, in ms: it must not expire meanwhile. */
export const MAX_HOLD_MS = 50 * 60 * 1000
/** Longest wait for a receipt or a height, in ms. */
export const MAX_WAIT_MS = 20_000

/** A header that is final, with what it takes to check that: null certificate at genesis alone. */
const commitSchema = struct({ header: headerCodec, certificate: nullable(certificateCodec), validators: validatorSetCodec })
export type Commit = Infer<typeof commitSchema>

/** A move and the signatures of the owners of both folders. */
export const signedMoveSchema = struct({
  content: byteString(112 * 1024),
  sourceKey: hash32,
  sourceSignature: byteString(64, 64),
  targetKey: hash32,
  targetSignature: byteString(64, 64),
})
export type SignedMove = Infer<typeof signedMoveSchema>

/** What {@link openFolderCodec} bytes are signed under. */
export const OPEN_FOLDER_DOMAIN = 'open-further-folder'
/** A further folder that the owner of `folder` asks its author organisation for. */
export const openFolderCodec = codec(
  struct({
    chainId: hash32,
    folder: hash32,
    peer: hash32,
    /** Clock of the asker, in ms. */
    time: integer(),
    /** Body of the ledger's `folders.create`. */
    body: byteString(4096),
  }),
  8192,
)

export const lightRequestCodec = codec(
  tagged({
    /** Diagnostics of the node as JSON: its own word, proven by nothing. */
    status: struct({}),
    peers: struct({}),
    genesis: struct({}),
    /** The commit at a height, or the newest. */
    commit: struct({ height: nullable(integer()) }),
    /** Values at keys, at a height among the last 64, or the newest. */
    query: struct({ height: nullable(integer()), keys: list(byteString(127, 1), MAX_QUERY_KEYS, 1) }),
    /** One page of everything under a prefix. */
    prefix: struct({
      height: nullable(integer()),
      prefix: byteString(127, 1),
      after: nullable(byteString(127)),
      limit: integer(MAX_PAGE, 1),
    }),
    /** Items of a log that only grows, from an index on. */
    log: struct({ stream: byteString(64, 1), from: integer(), limit: integer(MAX_PAGE, 1) }),
    /** Hands a transaction in; with `holdMs` the node keeps it that long before it goes on. */
    submit: struct({ transaction: byteString(MAX_TRANSACTION_BYTES), holdMs: integer(MAX_HOLD_MS) }),
    /** What became of a transaction; waits up to `waitMs` for it to be committed. */
    receipt: struct({ transaction: hash32, waitMs: integer(MAX_WAIT_MS) }),
    /** The newest commit, once its height is above `height`, or after `waitMs`. */
    wait: struct({ height: integer(), waitMs: integer(MAX_WAIT_MS) }),
    /** Who holds fragments of a submission of a folder, by the DHT: hints, for each of them has to prove what it gives. */
    locate: struct({ folder: hash32, submissionRoot: hash32 }),
    /** Asks the node's organisation to countersign an act of a folder as its sponsor. */
    sponsor: struct({ transaction: byteString(MAX_TRANSACTION_BYTES) }),
    /** Asks the organisation to sign for the upload of versions that an owner moves between its folders. */
    'move-ticket': struct({ move: signedMoveSchema, ticket: byteString(1024) }),
    /** Asks it to countersign the anchor of these, with the storage receipts that justify it. */
    'move-anchor': struct({
      move: signedMoveSchema,
      transaction: byteString(4096),
      receipts: list(struct({ receipt: byteString(256), signature: byteString(64, 64) }), 48),
    }),
    /** Asks it to open another folder for the owner of one of its folders. */
    'open-folder': struct({ content: byteString(8192), key: hash32, signature: byteString(64, 64) }),
    /** Two commits of one height, each signed by a quorum: whoever is told finds out who signed both. */
    conflict: struct({ first: commitSchema, second: commitSchema }),
    /** Receipts with a folder's events from a number on, in order. */
    events: struct({ folder: hash32, from: integer(Number.MAX_SAFE_INTEGER, 1), limit: integer(MAX_EVENTS, 1) }),
  }),
  MAX_LIGHT_REQUEST,
)
export type LightRequest = Infer<typeof lightRequestCodec>

export const jsonResponseCodec = codec(struct({ json: text(512 * 1024) }), MAX_LIGHT_RESPONSE)
export const genesisResponseCodec = codec(struct({ genesis: byteString(2 * 1024 * 1024) }), MAX_LIGHT_RESPONSE)
export const commitResponseCodec = codec(commitSchema, MAX_LIGHT_RESPONSE)
export const queryResponseCodec = codec(struct({ commit: commitSchema, proofs: list(stateProofCodec, MAX_QUERY_KEYS) }), MAX_LIGHT_RESPONSE)
export const prefixResponseCodec = codec(struct({ commit: commitSchema, proof: prefixProofCodec }), MAX_LIGHT_RESPONSE)
export const logResponseCodec = codec(struct({ items: list(byteString(64 * 1024), MAX_PAGE) }), MAX_LIGHT_RESPONSE)
/** Network keys of members. */
export const locateResponseCodec = codec(struct({ holders: list(hash32, MAX_HOLDERS) }), 8192)
export const submitResponseCodec = codec(struct({ transaction: hash32 }), 128)
export const sponsorResponseCodec = codec(struct({ transaction: byteString(MAX_TRANSACTION_BYTES) }), MAX_LIGHT_RESPONSE)
/** How many validators turned out to have signed both. */
export const conflictResponseCodec = codec(struct({ accused: integer(MAX_VALIDATORS) }), 64)
export const signatureResponseCodec = codec(struct({ signature: byteString(64, 64) }), 128)
const provenReceiptSchema = struct({
  commit: commitSchema,
  /** Position among the block's receipts, and how many there are. */
  index: integer(),
  count: integer(),
  receipt: byteString(128 * 1024),
  proof: list(hash32, 64),
})
/** A receipt, and what proves that the block holds it. */
export type ProvenReceipt = Infer<typeof provenReceiptSchema>
export const receiptResponseCodec = codec(nullable(provenReceiptSchema), MAX_LIGHT_RESPONSE)
export const eventsResponseCodec = codec(list(provenReceiptSchema, MAX_EVENTS), MAX_LIGHT_RESPONSE)

/** Announcement of a committed block by gossip: to members with the body where it is small, to light peers without. */
export const announcementCodec = codec(
  struct({ header: headerCodec, certificate: certificateCodec, transactions: nullable(list(byteString(MAX_TRANSACTION_BYTES), 10_000)) }),
  512 * 1024,
)

/** What {@link deskContentCodec} bytes are signed under. */
export const DESK_DOMAIN = 'desk-request'
/** What {@link shareAskCodec} bytes are signed under. */
export const SHARE_ASK_DOMAIN = 'share-ask'
/** What {@link folderAskCodec} bytes are signed under. */
export const FOLDER_ASK_DOMAIN = 'folder-ask'
/** How far a signed request's clock may differ from the node's, in ms. */
export const REQUEST_CLOCK_MS = 120_000

/** Most cases of one answer. */
export const MAX_CASES = 64

const emergencyCaseSchema = struct({
  folder: hash32,
  entry: hash32,
  /** Time of the block that has the entry, in ms. */
  time: integer(),
  /** Signing key of who opened. */
  reader: hash32,
  role: roleSchema,
  purpose: purposeSchema,
  reason: emergencyReasonSchema,
})
export type EmergencyCase = Infer<typeof emergencyCaseSchema>

/** Where a list goes on: a folder, and an id within it. */
const pageKey = byteString(64, 64)

/** Messages of the desk: signed by one of the organisation's people, for one peer and one moment. */
export const deskActionSchema = tagged({
  /** With `holdMs` the node keeps the act that long, so that folders of one person do not come together. */
  'open-folder': struct({ body: byteString(4096), holdMs: integer(MAX_HOLD_MS) }),
  /** An upload ticket to sign. */
  ticket: struct({ ticket: byteString(1024) }),
  /** An anchor to sign, with the storage receipts that justify it. */
  anchor: struct({
    body: byteString(256),
    receipts: list(struct({ receipt: byteString(256), signature: byteString(64, 64) }), 48),
  }),
  /** An access entry to sign, with the opening that says who of the organisation reads, as what, and why. */
  access: struct({ body: byteString(256), opening: byteString(32 * 1024) }),
  /** A grant to the organisation or a role in it: its wrap, sealed to the asker instead. */
  rewrap: struct({ folder: hash32, consent: hash32, sealingKey: byteString(4096) }),
  /** Disputes of what the organisation wrote into a folder, with their statements. */
  disputes: struct({ folder: hash32, after: nullable(hash32) }),
  /** An answer to a dispute, to sign. */
  'answer-dispute': struct({ body: byteString(256) }),
  /** Notices to the asker that wait for their word, after what an answer before called its `next`. */
  notices: struct({ after: nullable(pageKey) }),
  /** The asker's signed word that they saw a notice. */
  acknowledge: struct({ acknowledgement: byteString(128), signature: byteString(64, 64) }),
  /** A break-glass to sign, with the opening that says who of the organisation reads, as what, and why. */
  emergency: struct({ body: byteString(256), opening: byteString(33 * 1024) }),
  /** The end of a review to sign, with its opening. */
  review: struct({ body: byteString(256), opening: byteString(8 * 1024) }),
  /** Break-glass of the organisation's people that waits for its review, after what an answer before called its `next`. */
  cases: struct({ after: nullable(pageKey) }),
})
export type DeskAction = Infer<typeof deskActionSchema>

export const deskContentCodec = codec(
  struct({
    chainId: hash32,
    /** Account whose desk is asked. */
    account: hash32,
    /** Network key of the connection. */
    peer: hash32,
    /** Clock of the asker, in ms. */
    time: integer(),
    nonce: hash32,
    action: deskActionSchema,
  }),
  MAX_LIGHT_REQUEST,
)
export type DeskContent = Infer<typeof deskContentCodec>
export const deskRequestCodec = codec(
  struct({ content: byteString(MAX_LIGHT_REQUEST), key: hash32, signature: byteString(64, 64) }),
  MAX_LIGHT_REQUEST + 256,
)

/** Most disputes of one answer. */
export const MAX_DISPUTES = 16

/** Answer of the desk: a transaction that was submitted, a signature, a grant, or what was asked for. */
export const deskResponseCodec = codec(
  tagged({
    transaction: hash32,
    signature: byteString(64, 64),
    grant: struct({ opening: byteString(16 * 1024), wrap: byteString(4096), past: nullable(byteString(MAX_PAST_KEYS_BYTES)) }),
    /** Each with its statement as it was sealed to the organisation, opened. */
    disputes: struct({
      disputes: list(struct({ dispute: hash32, opening: byteString(512), statement: byteString(10_000) }), MAX_DISPUTES),
      /** Where the next page goes on; null where there is none. */
      next: nullable(hash32),
    }),
    notices: struct({ notices: keptNoticesSchema, next: nullable(pageKey) }),
    done: struct({}),
    cases: struct({ cases: list(emergencyCaseSchema, MAX_CASES), next: nullable(pageKey) }),
  }),
  256 * 1024,
)
export type DeskResponse = Infer<typeof deskResponseCodec>

/** Longest note that an owner leaves for themselves with a grant, sealed, in bytes. */
export const MAX_SEALED_NOTE = 6 * 1024

/** Most marks of one question about erasures. */
export const MAX_ERASURE_MARKS = 256

/** Longest sealed outcome of a review, in bytes. */
const MAX_SEALED_REVIEW = 10 * 1024

/** Messages about what custodians keep for a folder beside fragments. */
/** Longest request of the folder protocol, in bytes. */
export const MAX_FOLDER_REQUEST = MAX_PAST_KEYS_BYTES + 8 * 1024
/** Most grants of one request: what an owner sends or asks for at once. */
export const MAX_GRANTS_AT_ONCE = 64
/** Most bytes of openings and notes in one answer. */
export const MAX_TERMS_BYTES = 256 * 1024

export const folderRequestCodec = codec(
  tagged({
    /** Leaves a grant's opening and wrap, before or after the grant is on the ledger; signed by the owner, to whom `note` is sealed. */
    'put-wrap': struct({
      content: byteString(512),
      key: hash32,
      signature: byteString(64, 64),
      opening: byteString(16 * 1024),
      wrap: byteString(4096),
      note: byteString(MAX_SEALED_NOTE),
    }),
    /**
     * As `put-wrap` for several grants in force, as when the folder's key changes: written at once, and each taken or refused by itself;
     * signed by the owner.
     */
    'put-wraps': struct({
      content: byteString(512),
      key: hash32,
      signature: byteString(64, 64),
      grants: list(
        struct({ consent: hash32, opening: byteString(16 * 1024), wrap: byteString(4096), note: byteString(MAX_SEALED_NOTE) }),
        MAX_GRANTS_AT_ONCE,
        1,
      ),
    }),
    /** Asks for the openings and notes of several grants; signed by the owner. */
    'get-wraps': struct({
      content: byteString(512),
      key: hash32,
      signature: byteString(64, 64),
      consents: list(hash32, MAX_GRANTS_AT_ONCE, 1),
    }),
    /** Asks for a grant by its consent; signed by the grantee, an organisation's signing key, or the owner. */
    'get-wrap': struct({ content: byteString(512), key: hash32, signature: byteString(64, 64) }),
    /** Asks for release receipts; signed by the owner. */
    releases: struct({ content: byteString(512), key: hash32, signature: byteString(64, 64), from: integer(), limit: integer(256, 1) }),
    /** Asks for erasure receipts of these marks; signed by the owner. */
    erasures: struct({
      content: byteString(512),
      key: hash32,
      signature: byteString(64, 64),
      marks: list(hash32, MAX_ERASURE_MARKS, 1),
    }),
    /** Leaves the private halves of all epochs before one, sealed to its key, before or after the epoch begins; signed by the owner. */
    'put-past': struct({
      content: byteString(512),
      key: hash32,
      signature: byteString(64, 64),
      epoch: integer(LAST_EPOCH, 1),
      sealed: byteString(MAX_PAST_KEYS_BYTES, 1),
    }),
    /** Leaves what a dispute on the ledger opens to, and its statement, sealed to the folder and to the author; signed by the owner. */
    'put-dispute': struct({
      content: byteString(512),
      key: hash32,
      signature: byteString(64, 64),
      opening: byteString(512),
      statement: sealedStatementSchema,
      forAuthor: sealedStatementSchema,
    }),
    /** Leaves the sealed reason of a refusal: its hash is on the ledger, and whoever brings it is the same. */
    'put-reason': struct({ folder: hash32, dispute: hash32, reason: sealedStatementSchema }),
    /** Asks for a folder's disputes, in the order of their ids; signed by the owner or with the author organisation's key. */
    'get-disputes': struct({ content: byteString(512), key: hash32, signature: byteString(64, 64), after: nullable(hash32) }),
    /** Leaves a notice for one of this organisation's people, with the opening of the entry under which they read; signed by the owner. */
    'put-notice': struct({
      content: byteString(512),
      key: hash32,
      signature: byteString(64, 64),
      notice: byteString(1024),
      accessOpening: byteString(32 * 1024),
    }),
    /** Asks what became of a dispute's notices here; signed by the owner. */
    'get-notices': struct({ content: byteString(512), key: hash32, signature: byteString(64, 64), dispute: hash32 }),
    /** Leaves a share of a folder's key with its custodian: from the owner, or from a custodian that left. What the ledger has proves it right. */
    'put-share': struct({
      folder: hash32,
      position: integer(MAX_SHARES - 1),
      label: labelSchema,
      labelSalt: hash32,
      commitments: byteString(16 * 1024),
      sealed: byteString(4096),
    }),
    /** Asks for a share; signed by whom an access entry of break-glass names. */
    'get-share': struct({
      content: byteString(4096),
      key: hash32,
      signature: byteString(64, 64),
      opening: byteString(33 * 1024),
    }),
    /** Asks which share is here; signed by the owner. */
    share: struct({ content: byteString(512), key: hash32, signature: byteString(64, 64) }),
    /** Leaves the sealed outcome of a review, which the ledger names by its hash. */
    'put-review': struct({ folder: hash32, entry: hash32, sealed: byteString(MAX_SEALED_REVIEW) }),
    /** Asks for the sealed outcome of a review; signed by the owner. */
    'get-review': struct({ content: byteString(512), key: hash32, signature: byteString(64, 64), entry: hash32 }),
  }),
  MAX_FOLDER_REQUEST,
)
export type FolderRequest = Infer<typeof folderRequestCodec>

/** What is signed in every request about a folder. */
export const folderAskCodec = codec(
  struct({ chainId: hash32, folder: hash32, consent: nullable(hash32), custodian: hash32, peer: hash32, time: integer() }),
  512,
)
export type FolderAsk = Infer<typeof folderAskCodec>

/** What is signed in a question for a share. */
export const shareAskCodec = codec(
  struct({
    chainId: hash32,
    folder: hash32,
    entry: hash32,
    custodian: hash32,
    peer: hash32,
    time: integer(),
    /** To which the share is to be sealed. */
    sealingKey: byteString(SEALING_PUBLIC_KEY_LENGTH, SEALING_PUBLIC_KEY_LENGTH),
  }),
  4096,
)
export type ShareAsk = Infer<typeof shareAskCodec>

export const shareResponseCodec = codec(
  struct({
    position: integer(MAX_SHARES - 1),
    commitments: byteString(16 * 1024),
    sealed: byteString(4096),
    /** What opens the epochs before to whoever has the whole key. */
    past: nullable(byteString(MAX_PAST_KEYS_BYTES)),
  }),
  MAX_PAST_KEYS_BYTES + 32 * 1024,
)
/** Which share a custodian holds: of the deposit that the ledger has now, or none. */
export const heldShareResponseCodec = codec(nullable(struct({ position: integer(MAX_SHARES - 1), commitments: hash32 })), 128)
export const reviewResponseCodec = codec(struct({ sealed: byteString(MAX_SEALED_REVIEW) }), 16 * 1024)

export const wrapResponseCodec = codec(
  struct({
    opening: byteString(16 * 1024),
    wrap: byteString(4096),
    note: byteString(MAX_SEALED_NOTE),
    /** Private halves of the epochs before the grant's, sealed to the key that is wrapped; null where there are none, or none here. */
    past: nullable(byteString(MAX_PAST_KEYS_BYTES)),
  }),
  192 * 1024,
)
/** For each grant of a `put-wraps`, null, or the code of why it was not taken. */
export const putWrapsResponseCodec = codec(struct({ codes: list(nullable(text(64)), MAX_GRANTS_AT_ONCE) }), 8 * 1024)

const grantTermsSchema = struct({ consent: hash32, opening: byteString(16 * 1024), note: byteString(MAX_SEALED_NOTE) })
/** What an owner needs of a grant to wrap another key to its reader. */
export type GrantTerms = Infer<typeof grantTermsSchema>
/** Those of the grants asked for that are here, in their order; as many as fit: the rest is asked for again. */
export const getWrapsResponseCodec = codec(struct({ grants: list(grantTermsSchema, MAX_GRANTS_AT_ONCE) }), MAX_TERMS_BYTES + 16 * 1024)

export const releasesResponseCodec = codec(
  struct({ receipts: list(struct({ receipt: byteString(128 * 1024), signature: byteString(64, 64) }), 256), more: bool }),
  MAX_LIGHT_RESPONSE,
)
/** A dispute as custodians show it. */
export const shownDisputeSchema = struct({
  dispute: hash32,
  opening: byteString(512),
  /** Sealed to the folder's key of the opening's epoch. */
  statement: sealedStatementSchema,
  /** The reason of a refusal, sealed likewise; null where there is none here. */
  reason: nullable(sealedStatementSchema),
})
export type ShownDispute = Infer<typeof shownDisputeSchema>
export const disputesResponseCodec = codec(
  struct({ disputes: list(struct({ shown: shownDisputeSchema, forAuthor: sealedStatementSchema }), MAX_DISPUTES), more: bool }),
  MAX_LIGHT_RESPONSE,
)
export const noticesResponseCodec = codec(struct({ notices: keptNoticesSchema }), 256 * 1024)
/** Receipts of those marks that are through here; whoever asks knows what is missing. */
export const erasuresResponseCodec = codec(
  struct({ receipts: list(struct({ receipt: byteString(256), signature: byteString(64, 64) }), MAX_ERASURE_MARKS) }),
  128 * 1024,
)
