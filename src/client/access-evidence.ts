/**
 * The access log of a folder as a file that proves itself: the log's lines with the head that the state commits to, the custodians'
 * signed receipts, the openings, and the headers that tell the times. Anybody can judge it offline who knows the network's genesis
 * document, and, where that is older than the trusting period, a header that they trust.
 */
import { type AccessEntry, accessEntryCodec, accessEntryId, nextLogHead } from '../contracts/access-formats.ts'
import { type AccessOpening, accessCommitment, accessOpeningCodec } from '../contracts/consent-terms.ts'
import { type Consent, consentCodec } from '../contracts/consents-formats.ts'
import { signedByAt } from '../contracts/member-signatures.ts'
import { type Account, accountCodec, type Genesis, logHeadCodec, type Organisation } from '../contracts/members-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { byteString, codec, hash32, type Infer, integer, list, struct, text } from '../encoding/schema.ts'
import { type ReleaseReceipt, releaseReceiptBytes, releaseReceiptCodec } from '../fragments/formats.ts'
import type { Header } from '../ledger/header.ts'
import { verifyKey } from '../ledger/state-proof.ts'
import { type Commit, commitResponseCodec, queryResponseCodec } from '../network/light-messages.ts'
import { type AuditFacts, BlockTimes, type JudgedReceipt, judgeReceipts } from './access-audit.ts'
import { type AccessLog, provenEntries, readAccessLog } from './access-log.ts'
import type { OwnedFolder, Wallet } from './folders.ts'
import type { LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { type Believe, believeOffline, collectProofs, readProofs, stateEvidenceSchema } from './state-evidence.ts'
import type { Checkpoint } from './trust.ts'

/** Longest file, in bytes. */
export const MAX_EVIDENCE_BYTES = 256 * 1024 * 1024
const MAX_ITEMS = 200_000
/** Most headers that are fetched for their times. What they do not settle is told as not shown. */
const MAX_HEADERS = 1024
/** How often the log is read again because it grew meanwhile. */
const ATTEMPTS = 3

const evidenceCodec = codec(
  struct({
    version: integer(1, 1),
    chainId: hash32,
    folder: hash32,
    /** Answers of nodes that prove values of the state: the log's head first, then accounts and consents. */
    proofs: stateEvidenceSchema,
    /** All lines of the log, in order. */
    entries: list(byteString(accessEntryCodec.maxBytes), MAX_ITEMS),
    receipts: list(struct({ receipt: byteString(releaseReceiptCodec.maxBytes), signature: byteString(64, 64) }), MAX_ITEMS),
    openings: list(byteString(accessOpeningCodec.maxBytes), MAX_ITEMS),
    /** Headers with their certificates, for the times of blocks. */
    headers: list(byteString(1024 * 1024), MAX_HEADERS),
    /** Custodians that did not answer, and why, as the owner says. */
    silent: list(struct({ custodian: hash32, code: text(64, /^[a-z-]+$/) }), 4096),
    /** When it was collected, by the owner's clock, in ms. */
    time: integer(),
  }),
  MAX_EVIDENCE_BYTES,
)
export type AccessEvidence = Infer<typeof evidenceCodec>

export const encodeEvidence = (evidence: AccessEvidence): Uint8Array => evidenceCodec.encode(evidence)

/** Inverse of `encodeEvidence`. @throws EpioneError `bad-evidence` */
export function decodeEvidence(bytes: Uint8Array): AccessEvidence {
  try {
    return evidenceCodec.decode(bytes)
  } catch (cause) {
    throw new EpioneError('bad-evidence', 'This is no evidence of an access log; `epione access log --out` writes it.', { cause })
  }
}

export interface CollectOptions extends CallOptions {
  onProgress?: (progress: { phase: 'receipts' | 'proofs' | 'times'; done: number; total: number }) => void
}

/** Reads the log and all receipts that can be had, and collects what proves them. */
export async function collectAccessEvidence(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  options: CollectOptions = {},
): Promise<{ log: AccessLog; evidence: AccessEvidence }> {
  options.onProgress?.({ phase: 'receipts', done: 0, total: 1 })
  const log = await readAccessLog(peer, wallet, owned, options)
  const releases = [...log.entries.flatMap(entry => entry.releases), ...log.uncovered]
  const { entries, head } = await entriesWithProof(peer, owned.id, log, options)
  const others = neededKeys(entries, [...releases.map(({ custodian }) => custodian.id), ...log.silent.map(({ id }) => id)])
  const onProgress = (done: number, total: number): void => options.onProgress?.({ phase: 'proofs', done, total })
  const proofs = [head, ...(await collectProofs(peer, others, { ...options, onProgress }))]
  const evidence: AccessEvidence = {
    version: 1,
    chainId: peer.chainId,
    folder: owned.id,
    proofs,
    entries: entries.map(entry => accessEntryCodec.encode(entry)),
    receipts: releases.map(({ receipt, signature }) => ({ receipt: releaseReceiptCodec.encode(receipt), signature })),
    openings: log.entries.flatMap(({ opening }) => (opening === null ? [] : [accessOpeningCodec.encode(opening)])),
    headers: [],
    silent: log.silent.map(({ id, code }) => ({ custodian: id, code })),
    time: peer.now(),
  }
  return { log, evidence: { ...evidence, headers: await headersFor(peer, evidence, options) } }
}

/** The log's lines, and a node's proof of their head. */
async function entriesWithProof(
  peer: LightPeer,
  folder: Uint8Array,
  log: AccessLog,
  options: CallOptions,
): Promise<{ entries: AccessEntry[]; head: AccessEvidence['proofs'][number] }> {
  const keys = [stateKey.accessLog(folder)]
  let entries = log.entries.map(({ entry }) => entry)
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const answer = await peer.prove(keys, options)
    const { commit, proofs } = queryResponseCodec.decode(answer)
    if (headOf(verifyKey(commit.header.stateRoot, keys[0] as Uint8Array, proofs[0] as (typeof proofs)[number])).count === entries.length) {
      return { entries, head: { keys, answer } }
    }
    entries = (await provenEntries(peer, folder, options)).entries
  }
  throw new EpioneError('busy', 'The log grows faster than it can be read; try again.')
}

function headOf(value: Uint8Array | null): { count: number; head: Uint8Array } {
  return value === null ? { count: 0, head: new Uint8Array(32) } : logHeadCodec.decode(value)
}

/** Keys of the accounts and consents that it takes to judge. */
function neededKeys(entries: readonly AccessEntry[], custodians: readonly Uint8Array[]): Uint8Array[] {
  const accounts = [...custodians, ...entries.flatMap(({ organisation }) => (organisation === null ? [] : [organisation]))]
  const consents = entries.flatMap(({ folder, consent }) => (consent === null ? [] : [stateKey.consent(folder, consent)]))
  return [...new Map([...accounts.map(id => stateKey.account(id)), ...consents].map(key => [toHex(key), key])).values()]
}

/** Headers that settle what the times of the log's own lines do not. */
async function headersFor(peer: LightPeer, evidence: AccessEvidence, options: CollectOptions): Promise<Uint8Array[]> {
  const headers: Uint8Array[] = []
  const believe = async (commit: Commit): Promise<Header> => await peer.verifyCommit(commit, options)
  const asked = new Set<number>()
  const facts = await readFacts(evidence, believe)
  for (;;) {
    const next = judgeReceipts(facts.audit).find(({ doubts, receipt }) => doubts.includes('time-not-shown') && !asked.has(receipt.height))
    if (next === undefined || headers.length === MAX_HEADERS) return headers
    const { height } = next.receipt
    asked.add(height)
    options.onProgress?.({ phase: 'times', done: headers.length, total: MAX_HEADERS })
    const found = await peer.nodes
      .ask(
        { type: 'commit', value: { height } },
        async bytes => {
          const header = await believe(commitResponseCodec.decode(bytes))
          if (header.height !== height) throw new EpioneError('invalid-proof', 'The node answered for another height.')
          return { bytes, header }
        },
        options,
      )
      .catch(() => undefined)
    options.signal?.throwIfAborted()
    if (found === undefined) continue
    headers.push(found.bytes)
    facts.audit.times.add(height, found.header.time)
  }
}

/** A line of the log as the evidence shows it. */
export interface ShownEntry {
  readonly id: Uint8Array
  readonly entry: AccessEntry
  /** Organisation that answers for the reader; null for the owner, and where its account is not proven. */
  readonly organisation: Organisation | null
  readonly opening: AccessOpening | null
  readonly receipts: readonly JudgedReceipt[]
}

/** What evidence is worth. */
export interface AccessReport {
  readonly chainId: Uint8Array
  readonly folder: Uint8Array
  /** The block whose state proves that these are all lines of the log. */
  readonly height: number
  readonly time: number
  readonly entries: readonly ShownEntry[]
  readonly receipts: readonly JudgedReceipt[]
  /** Receipts that no line covers, or that break a rule: none in an honest network. */
  readonly flawed: readonly JudgedReceipt[]
  readonly silent: readonly { custodian: Uint8Array; name: string | null; code: string }[]
  readonly collectedAt: number
  nameOf(account: Uint8Array): string | null
}

/**
 * Judges evidence.
 * @param believe gives the header of a commit, or refuses it
 * @throws EpioneError `invalid-proof` where the file does not prove what it says
 */
export async function judgeEvidence(
  evidence: AccessEvidence,
  believe: Believe,
  versionAt?: AuditFacts['versionAt'],
): Promise<AccessReport> {
  const { audit, organisations, head, unproven } = await readFacts(evidence, believe)
  const receipts = judgeReceipts(versionAt === undefined ? audit : { ...audit, versionAt })
  const nameOf = (account: Uint8Array): string | null => organisations.get(toHex(account))?.name ?? null
  return {
    chainId: evidence.chainId,
    folder: evidence.folder,
    height: head.height,
    time: head.time,
    entries: audit.entries.map(entry => {
      const id = accessEntryId(entry)
      return {
        id,
        entry,
        organisation: entry.organisation === null ? null : (organisations.get(toHex(entry.organisation)) ?? null),
        opening: audit.openings.get(toHex(id)) ?? null,
        receipts: receipts.filter(({ receipt }) => equalBytes(receipt.entry, id)),
      }
    }),
    receipts,
    flawed: receipts.filter(({ flaw }) => flaw !== null),
    silent: [
      ...evidence.silent.map(({ custodian, code }) => ({ custodian, name: nameOf(custodian), code })),
      ...unproven.map(custodian => ({ custodian, name: null, code: 'unknown-member' })),
    ],
    collectedAt: evidence.time,
    nameOf,
  }
}

interface Facts {
  audit: AuditFacts & { times: BlockTimes }
  organisations: Map<string, Organisation>
  /** The block that proves the log. */
  head: Header
  /** Custodians whose accounts the file does not prove. */
  unproven: Uint8Array[]
}

async function readFacts(evidence: AccessEvidence, believe: Believe): Promise<Facts> {
  const { folder, chainId } = evidence
  const times = new BlockTimes()
  const { values, headers } = await readProofs(evidence.proofs, believe)
  for (const { height, time } of headers) times.add(height, time)
  const [head] = headers
  const logKey = toHex(stateKey.accessLog(folder))
  if (head === undefined || toHex(evidence.proofs[0]?.keys[0] ?? new Uint8Array(0)) !== logKey) {
    throw new EpioneError('invalid-proof', 'The file does not prove the head of the log.')
  }
  const entries = checkedEntries(evidence, headOf(values.get(logKey) ?? null))
  for (const { height, time } of entries) times.add(height, time)
  for (const bytes of evidence.headers) {
    // A header that is not believed tells no time; what it was for is told as not shown.
    const header = await believe(commitResponseCodec.decode(bytes)).catch(() => undefined)
    if (header !== undefined) times.add(header.height, header.time)
  }
  const organisations = new Map<string, Organisation>()
  const accountOf = (id: Uint8Array): Account | undefined => {
    const value = values.get(toHex(stateKey.account(id)))
    if (value === null || value === undefined) return undefined
    const account = accountCodec.decode(value)
    organisations.set(toHex(id), account.organisation)
    return account
  }
  for (const { organisation } of entries) if (organisation !== null) accountOf(organisation)
  for (const { custodian } of evidence.silent) accountOf(custodian)
  const consents = new Map<string, Consent>()
  for (const { consent } of entries) {
    const value = consent === null ? undefined : values.get(toHex(stateKey.consent(folder, consent)))
    if (consent !== null && value !== null && value !== undefined) consents.set(toHex(consent), consentCodec.decode(value))
  }
  const unproven: Uint8Array[] = []
  const receipts = evidence.receipts.flatMap(({ receipt: bytes, signature }): { receipt: ReleaseReceipt; isSigned: boolean }[] => {
    const receipt = releaseReceiptCodec.decode(bytes)
    const custodian = accountOf(receipt.custodian)
    // Who is no member cannot sign for a custodian: such a receipt is the file's own, and says nothing of anybody.
    if (custodian === undefined) {
      unproven.push(receipt.custodian)
      return []
    }
    const isSigned =
      equalBytes(receipt.chainId, chainId) &&
      equalBytes(receipt.folder, folder) &&
      signedByAt(custodian, receipt.height, releaseReceiptBytes(receipt), signature)
    return [{ receipt, isSigned }]
  })
  return { audit: { entries, receipts, consents, openings: fittingOpenings(evidence, entries), times }, organisations, head, unproven }
}

/** The log's lines, as the head demands them: all of them, in order. @throws EpioneError `invalid-proof` */
function checkedEntries(evidence: AccessEvidence, { count, head }: { count: number; head: Uint8Array }): AccessEntry[] {
  const entries = evidence.entries.map(bytes => accessEntryCodec.decode(bytes))
  const link = entries.reduce<Uint8Array>((last, entry) => nextLogHead(last, accessEntryId(entry)), new Uint8Array(32))
  const fits =
    entries.length === count &&
    equalBytes(link, head) &&
    entries.every((entry, i) => entry.index === i && equalBytes(entry.folder, evidence.folder))
  if (!fits) throw new EpioneError('invalid-proof', 'The lines of the log are not those that the state commits to.')
  return entries
}

function fittingOpenings(evidence: AccessEvidence, entries: readonly AccessEntry[]): Map<string, AccessOpening> {
  const byCommitment = new Map(
    evidence.openings.map(bytes => {
      const opening = accessOpeningCodec.decode(bytes)
      return [toHex(accessCommitment(opening)), opening]
    }),
  )
  return new Map(
    entries.flatMap(entry => {
      const opening = byCommitment.get(toHex(entry.commitment))
      return opening === undefined ? [] : [[toHex(accessEntryId(entry)), opening] as const]
    }),
  )
}

/**
 * Judges evidence without asking anybody.
 * @throws EpioneError `other-chain`; `unanchored` where genesis is too old to be believed and no header of the file is the trusted one;
 * `untrusted-validators` where the validators changed too much since
 */
export async function judgeEvidenceOffline(
  evidence: AccessEvidence,
  genesis: Genesis,
  options: { now: () => number; checkpoint?: Checkpoint },
): Promise<AccessReport> {
  const known = [
    ...evidence.proofs.map(({ answer }) => queryResponseCodec.decode(answer).commit),
    ...evidence.headers.map(bytes => commitResponseCodec.decode(bytes)),
  ]
  return await judgeEvidence(evidence, believeOffline(genesis, { chainId: evidence.chainId, known }, options))
}
