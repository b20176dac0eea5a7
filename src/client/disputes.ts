/** Correction: the owner disputes a version, the author accepts it with a new one or refuses with a reason. */
import {
  type AnswerDispute,
  answerDisputeCodec,
  type Dispute,
  type DisputeOpening,
  disputeCodec,
  disputeCommitment,
  disputeId,
  disputeOpeningCodec,
  MAX_STATEMENT,
  openDisputeCodec,
  reasonHash,
  sealedReasonCodec,
  statementCodec,
  statementHash,
} from '../contracts/disputes-formats.ts'
import { anchorCodec } from '../contracts/records-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { seal } from '../crypto/sealing.ts'
import { concat, equalBytes, toHex, u32, utf8 } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { domain, taggedHash } from '../encoding/hash.ts'
import { sealingContext } from '../fragments/formats.ts'
import {
  disputesResponseCodec,
  type FolderRequest,
  folderRequestCodec,
  MAX_DISPUTES,
  type ShownDispute,
} from '../network/light-messages.ts'
import { MAX_LIGHT_RESPONSE, PROTOCOL } from '../network/protocols.ts'
import { currentCustodians } from './current-custodians.ts'
import { deskDisputes, deskTransaction } from './desk.ts'
import { signAsk } from './folder-ask.ts'
import { folderCustodians } from './folder-custodians.ts'
import { folderOpener, folderOwnerKey, folderPublicKey, type OwnedFolder, readFolder, type Wallet } from './folders.ts'
import type { Person } from './identity.ts'
import type { Committed, LightPeer, MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { notFound } from './not-found.ts'
import { possibleHolders } from './possible-holders.ts'
import type { AnchoredSubmission, ListedVersion } from './read-types.ts'
import { provenDisputes, readDispute, type VersionDispute } from './version-disputes.ts'

export interface OpenedDispute {
  readonly id: Uint8Array
  readonly committed: Committed
  /** Day by which the author has to answer, in ms. */
  readonly due: number
  /** Custodians that keep the statement. */
  readonly stored: number
}

/** @throws EpioneError `bad-statement` */
function checkedText(text: string): string {
  if (text.trim() === '' || text.length > MAX_STATEMENT) {
    throw new EpioneError('bad-statement', `A statement has 1 to ${MAX_STATEMENT} characters.`)
  }
  return text
}

/**
 * Says of a version that it is wrong. The ledger has a commitment alone; the statement is sealed to the folder, for everybody who may
 * read the version, and to the organisation that wrote it. The same statement again goes on where it was.
 * @throws EpioneError `bad-statement`, `disputes-full`; `too-few-receipts` where the ledger has it and too few custodians took the statement
 */
export async function openDispute(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  input: { version: ListedVersion; statement: string },
  options: CallOptions = {},
): Promise<OpenedDispute> {
  const statement = checkedText(input.statement)
  const { recordId, version, submission } = input.version
  const key = folderOwnerKey(wallet, owned)
  // Ed25519 signs the same bytes alike: the same statement gets the same salt, and nobody else can make it.
  const secret = key.sign(concat(domain('dispute-salt'), recordId, u32(version), utf8(statement)))
  const salt = taggedHash('dispute-salt', secret)
  const { epoch } = submission.anchor
  const opening: DisputeOpening = {
    ...{ salt, recordId, version, epoch, leaf: input.version.leaf },
    folder: owned.id,
    submissionRoot: submission.root,
    statementHash: statementHash(salt, statement),
  }
  const commitment = disputeCommitment(opening)
  const body = openDisputeCodec.encode({ commitment })
  const committed = await peer.submit(
    peer.sign({ from: { kind: 'folder', id: owned.id }, contract: 'disputes', action: 'open', body }, key),
    options,
  )
  const id = disputeId(owned.id, commitment)
  const line = await disputeLine(peer, owned.id, id, options)
  const author = await peer.member(submission.anchor.author, options)
  const context = sealingContext.statement(peer.chainId, owned.id, recordId, version)
  const bytes = statementCodec.encode({ text: statement })
  const value = {
    opening: disputeOpeningCodec.encode(opening),
    statement: seal(folderPublicKey(wallet, owned, epoch), bytes, context),
    forAuthor: seal(author.organisation.sealingKey, bytes, context),
  }
  const stored = await leave(peer, owned, submission, options, async custodian => ({
    type: 'put-dispute',
    value: { ...(await signAsk(peer, key, { folder: owned.id, consent: null, custodian })), ...value },
  }))
  return { id, committed, due: line.due, stored }
}

/**
 * Leaves something with those who hold the version, for they show it to readers, and with the folder's custodians, whom the author asks:
 * n - f of each at least.
 */
async function leave(
  peer: LightPeer,
  folder: { id: Uint8Array; folder: OwnedFolder['folder'] },
  submission: AnchoredSubmission,
  options: CallOptions,
  requestFor: (custodian: MemberInfo) => FolderRequest | Promise<FolderRequest>,
): Promise<number> {
  const { holders } = await currentCustodians(peer, folder.id, submission, options)
  const near = await folderCustodians(peer, folder.id, folder.folder, options)
  const all = [...new Map([...holders, ...near].map(member => [toHex(member.id), member])).values()]
  const took = new Set<string>()
  let cause: unknown
  await Promise.all(
    all.map(async custodian => {
      try {
        const request = folderRequestCodec.encode(await requestFor(custodian))
        await peer.nodes.request(custodian.organisation.networkKey, PROTOCOL.folder, request, { ...options, maxResponse: 1024 })
        took.add(toHex(custodian.id))
      } catch (error) {
        options.signal?.throwIfAborted()
        cause = error
      }
    }),
  )
  for (const group of [holders, near]) {
    const n = submission.anchor.n
    const needed = n - Math.floor((n - 1) / 3)
    const stored = group.filter(({ id }) => took.has(toHex(id))).length
    if (stored < needed) {
      throw new EpioneError(
        'too-few-receipts',
        `The ledger has it, but only ${stored} of ${n} custodians took the words, and ${needed} are needed; do the same again.`,
        {
          cause,
          metadata: { receipts: stored, needed },
        },
      )
    }
  }
  return took.size
}

/** The ledger's line of a dispute. @throws EpioneError `not-found` */
export async function disputeLine(peer: LightPeer, folder: Uint8Array, id: Uint8Array, options: CallOptions = {}): Promise<Dispute> {
  const value = await peer.readOne(stateKey.dispute(folder, id), options)
  if (value === null) throw notFound()
  return disputeCodec.decode(value)
}

/** A dispute as the owner sees it. */
export interface OwnedDispute {
  readonly id: Uint8Array
  readonly line: Dispute
  /** What it is about, and the words; null where no custodian that answered has it. */
  readonly shown: VersionDispute | null
  readonly statement: string | null
  readonly reason: string | null
}

/** All disputes of a folder, proven complete, the oldest first. */
export async function listDisputes(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  options: CallOptions = {},
): Promise<OwnedDispute[]> {
  const { entries } = await peer.list(stateKey.disputes(owned.id), options)
  if (entries.length === 0) return []
  const shown = await provenDisputes(peer, owned.id, await shownBy(peer, wallet, owned, options), options)
  const disputes = await Promise.all(
    entries.map(async ([key, value]) => {
      const id = key.slice(33)
      const found = shown.find(one => equalBytes(one.id, id)) ?? null
      const words = found === null ? null : await readDispute(peer.chainId, found, epoch => folderOpener(wallet, owned, epoch))
      return { id, line: disputeCodec.decode(value), shown: found, statement: words?.statement ?? null, reason: words?.reason ?? null }
    }),
  )
  return disputes.sort((a, b) => a.line.height - b.line.height)
}

async function shownBy(peer: LightPeer, wallet: Wallet, owned: OwnedFolder, options: CallOptions): Promise<ShownDispute[]> {
  const found = await Promise.all(
    (await folderCustodians(peer, owned.id, owned.folder, options)).map(async custodian => {
      try {
        return await copiesAt(peer, wallet, owned, custodian, options)
      } catch {
        options.signal?.throwIfAborted()
        return []
      }
    }),
  )
  return found.flat().map(({ shown }) => shown)
}

/** A dispute as one custodian keeps it. */
interface Copy {
  readonly shown: ShownDispute
  readonly forAuthor: Uint8Array
}

async function copiesAt(peer: LightPeer, wallet: Wallet, owned: OwnedFolder, custodian: MemberInfo, options: CallOptions): Promise<Copy[]> {
  const found: Copy[] = []
  for (let after: Uint8Array | null = null; ; ) {
    const ask = await signAsk(peer, folderOwnerKey(wallet, owned), { folder: owned.id, consent: null, custodian })
    const request = folderRequestCodec.encode({ type: 'get-disputes', value: { ...ask, after } })
    const bytes = await peer.nodes.request(custodian.organisation.networkKey, PROTOCOL.folder, request, {
      ...options,
      maxResponse: MAX_LIGHT_RESPONSE,
    })
    const { disputes, more }: ReturnType<typeof disputesResponseCodec.decode> = disputesResponseCodec.decode(bytes)
    found.push(...disputes)
    after = disputes.at(-1)?.shown.dispute ?? null
    if (!more || after === null) return found
  }
}

/**
 * Leaves the words of a folder's disputes with those of its versions' present custodians that lack them: who came in another's place, or
 * was away. Gives the number of copies, and who did not answer.
 */
export async function spreadDisputes(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  options: CallOptions = {},
): Promise<{ copied: number; silent: MemberInfo[] }> {
  if ((await peer.list(stateKey.disputes(owned.id), options)).entries.length === 0) return { copied: 0, silent: [] }
  const members = await possibleHolders(peer, owned.id, options)
  const silent: MemberInfo[] = []
  const copies = new Map<MemberInfo, Copy[]>()
  await Promise.all(
    members.map(async custodian => {
      try {
        copies.set(custodian, await copiesAt(peer, wallet, owned, custodian, options))
      } catch {
        options.signal?.throwIfAborted()
        silent.push(custodian)
      }
    }),
  )
  const all = [...copies.values()].flat()
  const near = await folderCustodians(peer, owned.id, owned.folder, options)
  let copied = 0
  for (const dispute of await provenDisputes(
    peer,
    owned.id,
    all.map(({ shown }) => shown),
    options,
  )) {
    const best = all.find(({ shown }) => equalBytes(shown.dispute, dispute.id)) as Copy
    const submission = await anchoredSubmission(peer, owned.id, dispute.opening.submissionRoot, options)
    const { holders } = await currentCustodians(peer, owned.id, submission, options)
    for (const [custodian, own] of copies) {
      const known = own.find(({ shown }) => equalBytes(shown.dispute, dispute.id))
      const isCustodian = [...holders, ...near].some(({ id }) => equalBytes(id, custodian.id))
      const requests: FolderRequest[] = []
      if (isCustodian && known === undefined) {
        const ask = await signAsk(peer, folderOwnerKey(wallet, owned), { folder: owned.id, consent: null, custodian })
        const { opening, statement } = best.shown
        requests.push({ type: 'put-dispute', value: { ...ask, opening, statement, forAuthor: best.forAuthor } })
      }
      const { sealedReason: reason } = dispute
      if (isCustodian && reason !== null && (known?.shown.reason ?? null) === null)
        requests.push({ type: 'put-reason', value: { folder: owned.id, dispute: dispute.id, reason } })
      for (const request of requests) {
        try {
          const bytes = folderRequestCodec.encode(request)
          await peer.nodes.request(custodian.organisation.networkKey, PROTOCOL.folder, bytes, { ...options, maxResponse: 1024 })
          copied++
        } catch {
          options.signal?.throwIfAborted()
          if (!silent.includes(custodian)) silent.push(custodian)
        }
      }
    }
  }
  return { copied, silent }
}

/** A dispute as its author sees it. */
export interface AuthorDispute {
  readonly id: Uint8Array
  readonly line: Dispute
  readonly opening: DisputeOpening
  readonly statement: string
}

/** Disputes of what a person's organisation wrote into a folder, by its desk; those that nobody keeps any more are not among them. */
export async function authorDisputes(
  peer: LightPeer,
  person: Person,
  folder: Uint8Array,
  options: CallOptions = {},
): Promise<AuthorDispute[]> {
  const found: AuthorDispute[] = []
  for (let after: Uint8Array | null = null; ; ) {
    const answer: Awaited<ReturnType<typeof deskDisputes>> = await deskDisputes(peer, person, folder, after, options)
    for (const { dispute, opening: bytes, statement } of answer) {
      const opening = disputeOpeningCodec.decode(bytes)
      const { text } = statementCodec.decode(statement)
      const isRight =
        equalBytes(disputeId(folder, disputeCommitment(opening)), dispute) &&
        equalBytes(statementHash(opening.salt, text), opening.statementHash)
      if (isRight) found.push({ id: dispute, line: await disputeLine(peer, folder, dispute, options), opening, statement: text })
    }
    if (answer.length < MAX_DISPUTES) break
    after = answer.at(-1)?.dispute ?? null
  }
  return found.sort((a, b) => a.line.height - b.line.height)
}

/**
 * Answers a dispute for the author organisation: with the submission that holds the new version, or with a reason, which is sealed to the
 * folder and read by the owner and by whoever reads the version.
 * @throws EpioneError `no-new-version`, `exists`, `bad-statement`, `not-found`; `too-few-receipts` as {@link openDispute}
 */
export async function answerDispute(
  peer: LightPeer,
  person: Person,
  dispute: AuthorDispute,
  answer: { accepted: Uint8Array } | { refused: string },
  options: CallOptions = {},
): Promise<Committed> {
  const { folder, submissionRoot } = dispute.opening
  const act = async (given: AnswerDispute['answer']): Promise<Committed> => {
    const body = answerDisputeCodec.encode({ folder, dispute: dispute.id, answer: given })
    return await deskTransaction(peer, person, { type: 'answer-dispute', value: { body } }, options)
  }
  if ('accepted' in answer) return await act({ type: 'accepted', value: { submissionRoot: answer.accepted } })
  const state = await readFolder(peer, folder, options)
  if (state === null) throw notFound()
  const bytes = statementCodec.encode({ text: checkedText(answer.refused) })
  const sealed = seal(state.sealingKey, bytes, sealingContext.reason(peer.chainId, folder, dispute.id))
  const reason = sealedReasonCodec.encode({ epoch: state.epoch, sealed })
  const committed = await act({ type: 'refused', value: { reasonHash: reasonHash(reason) } })
  const submission = await anchoredSubmission(peer, folder, submissionRoot, options)
  await leave(peer, { id: folder, folder: state }, submission, options, () => ({
    type: 'put-reason',
    value: { folder, dispute: dispute.id, reason },
  }))
  return committed
}

async function anchoredSubmission(
  peer: LightPeer,
  folder: Uint8Array,
  root: Uint8Array,
  options: CallOptions,
): Promise<AnchoredSubmission> {
  const value = await peer.readOne(stateKey.submission(folder, root), options)
  if (value === null) throw notFound()
  return { root, anchor: anchorCodec.decode(value) }
}
