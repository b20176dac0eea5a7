/** Disputes as the folder's owner and the author organisation see them, and the author's answers. */
import {
  type AnswerDispute,
  answerDisputeCodec,
  type Dispute,
  type DisputeOpening,
  disputeCodec,
  disputeCommitment,
  disputeId,
  disputeOpeningCodec,
  reasonHash,
  sealedReasonCodec,
  statementCodec,
  statementHash,
} from '../contracts/disputes-formats.ts'
import { anchorCodec } from '../contracts/records-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { seal } from '../crypto/sealing.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { sealingContext } from '../fragments/formats.ts'
import { disputesResponseCodec, type FolderRequest, folderRequestCodec, type ShownDispute } from '../network/light-messages.ts'
import { MAX_LIGHT_RESPONSE, PROTOCOL } from '../network/protocols.ts'
import { currentCustodians } from './current-custodians.ts'
import { deskDisputes, deskTransaction } from './desk.ts'
import { checkedText, leaveWords } from './dispute-words.ts'
import { signAsk } from './folder-ask.ts'
import { folderCustodians } from './folder-custodians.ts'
import { folderOpener, folderOwnerKey, type OwnedFolder, readFolder, type Wallet } from './folders.ts'
import type { Person } from './identity.ts'
import type { Committed, LightPeer, MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { notFound } from './not-found.ts'
import { disputeLine } from './open-dispute.ts'
import { possibleHolders } from './possible-holders.ts'
import type { AnchoredSubmission } from './read-types.ts'
import { provenDisputes, readDispute, type VersionDispute } from './version-disputes.ts'

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

/** Disputes of what a person's organisation wrote into a folder, by its desk; those that were withdrawn, or that nobody keeps any more, are not among them. */
export async function authorDisputes(
  peer: LightPeer,
  person: Person,
  folder: Uint8Array,
  options: CallOptions = {},
): Promise<AuthorDispute[]> {
  const found: AuthorDispute[] = []
  for (const { dispute, opening: bytes, statement } of await deskDisputes(peer, person, folder, options)) {
    const opening = disputeOpeningCodec.decode(bytes)
    const { text } = statementCodec.decode(statement)
    const isRight =
      equalBytes(disputeId(folder, disputeCommitment(opening)), dispute) &&
      equalBytes(statementHash(opening.salt, text), opening.statementHash)
    if (!isRight) continue
    const line = await disputeLine(peer, folder, dispute, options)
    if (line.status !== 'withdrawn') found.push({ id: dispute, line, opening, statement: text })
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
  await leaveWords(peer, { id: folder, folder: state }, submission, options, () => ({
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
