/** Saying of a version that it is wrong, and taking that back: by the folder's owner, or by a delegate who has the right to. */
import {
  type Dispute,
  type DisputeOpening,
  disputeCodec,
  disputeCommitment,
  disputeId,
  disputeOpeningCodec,
  openDisputeCodec,
  statementCodec,
  statementHash,
  withdrawDisputeCodec,
} from '../contracts/disputes-formats.ts'
import type { Folder } from '../contracts/folders-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { seal, sealingKeyFromSeed } from '../crypto/sealing.ts'
import { suiteOf } from '../crypto/sealing-suites.ts'
import type { SigningKey } from '../crypto/signature.ts'
import { concat, u32, utf8 } from '../encoding/bytes.ts'
import { domain, taggedHash } from '../encoding/hash.ts'
import { sealingContext } from '../fragments/formats.ts'
import { type HeldDelegation, heldDelegation, submitSponsored } from './delegation.ts'
import { checkedText, leaveWords } from './dispute-words.ts'
import { signAsk } from './folder-ask.ts'
import { folderOwnerKey, folderPublicKey, type OwnedFolder, type Wallet } from './folders.ts'
import type { ShareCode } from './identity.ts'
import type { Committed, LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { notFound } from './not-found.ts'
import type { ListedVersion } from './read-types.ts'

export interface OpenedDispute {
  readonly id: Uint8Array
  readonly committed: Committed
  /** Day by which the author has to answer, in ms. */
  readonly due: number
  /** Custodians that keep the statement. */
  readonly stored: number
}

/** A version, and what is said of it. */
export interface DisputeInput {
  readonly version: ListedVersion
  readonly statement: string
}

/** Who disputes: a folder's owner, or a delegate. */
interface Disputer {
  readonly id: Uint8Array
  readonly folder: Folder
  readonly key: SigningKey
  /** Public half of the folder's key of an epoch. */
  publicKeyOf(epoch: number): Promise<Uint8Array>
  act(action: string, body: Uint8Array): Promise<Committed>
}

/**
 * Says of a version that it is wrong. The ledger has a commitment alone; the statement is sealed to the folder, for everybody who may
 * read the version, and to the organisation that wrote it. The same statement again goes on where it was; one that was withdrawn is opened
 * anew.
 * @throws EpioneError `bad-statement`, `disputes-full`; `too-few-receipts` where the ledger has it and too few custodians took the statement
 */
export async function openDispute(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  input: DisputeInput,
  options: CallOptions = {},
): Promise<OpenedDispute> {
  return await openWith(peer, ownDisputer(peer, wallet, owned, options), input, options)
}

/**
 * As {@link openDispute} on behalf of the folder's owner: the ledger's line names the delegation.
 * @param input with a version of a session under the same delegation
 * @throws EpioneError as openDispute; `not-found` where the delegation is over, or without the right `dispute`
 */
export async function openDisputeAsDelegate(
  peer: LightPeer,
  wallet: Wallet,
  share: ShareCode,
  input: DisputeInput,
  options: CallOptions = {},
): Promise<OpenedDispute> {
  return await openWith(peer, delegateDisputer(peer, share, await heldDelegation(peer, wallet, share, options), options), input, options)
}

/**
 * Takes a dispute back, one that was refused as well: the statement goes out with the version no more, and its author is asked no more.
 * @throws EpioneError `dispute-closed` where it was accepted; `not-found`
 */
export async function withdrawDispute(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  dispute: Uint8Array,
  options: CallOptions = {},
): Promise<Committed> {
  return await ownDisputer(peer, wallet, owned, options).act('withdraw', withdrawDisputeCodec.encode({ dispute }))
}

/** As {@link withdrawDispute} for what was opened under the same delegation. @throws EpioneError as that */
export async function withdrawDisputeAsDelegate(
  peer: LightPeer,
  wallet: Wallet,
  share: ShareCode,
  dispute: Uint8Array,
  options: CallOptions = {},
): Promise<Committed> {
  const disputer = delegateDisputer(peer, share, await heldDelegation(peer, wallet, share, options), options)
  return await disputer.act('withdraw', withdrawDisputeCodec.encode({ dispute }))
}

function ownDisputer(peer: LightPeer, wallet: Wallet, owned: OwnedFolder, options: CallOptions): Disputer {
  const { id, folder } = owned
  const key = folderOwnerKey(wallet, owned)
  return {
    ...{ id, folder, key },
    publicKeyOf: async epoch => folderPublicKey(wallet, owned, epoch),
    act: async (action, body) =>
      await peer.submit(peer.sign({ from: { kind: 'folder', id }, contract: 'disputes', action, body }, key), options),
  }
}

function delegateDisputer(peer: LightPeer, share: ShareCode, held: HeldDelegation, options: CallOptions): Disputer {
  const { folder, key, keys } = held
  return {
    ...{ id: share.folder, folder, key },
    publicKeyOf: async epoch => {
      const seed = await keys.seedOf(epoch)
      if (seed === undefined) throw notFound()
      return sealingKeyFromSeed(seed, suiteOf(folder.sealingKey)).publicKey
    },
    act: async (action, body) => await submitSponsored(peer, share.folder, folder, { contract: 'disputes', action, body }, key, options),
  }
}

async function openWith(peer: LightPeer, by: Disputer, input: DisputeInput, options: CallOptions): Promise<OpenedDispute> {
  const statement = checkedText(input.statement)
  const { recordId, version, submission } = input.version
  // Ed25519 signs the same bytes alike: the same statement gets the same salt, and nobody else can make it.
  const secret = by.key.sign(concat(domain('dispute-salt'), recordId, u32(version), utf8(statement)))
  const salt = taggedHash('dispute-salt', secret)
  const { epoch } = submission.anchor
  const opening: DisputeOpening = {
    ...{ salt, recordId, version, epoch, leaf: input.version.leaf },
    folder: by.id,
    submissionRoot: submission.root,
    statementHash: statementHash(salt, statement),
  }
  const commitment = disputeCommitment(opening)
  const publicKey = await by.publicKeyOf(epoch)
  const committed = await by.act('open', openDisputeCodec.encode({ commitment }))
  const id = disputeId(by.id, commitment)
  const line = await disputeLine(peer, by.id, id, options)
  const author = await peer.member(submission.anchor.author, options)
  const context = sealingContext.statement(peer.chainId, by.id, recordId, version)
  const bytes = statementCodec.encode({ text: statement })
  const value = {
    opening: disputeOpeningCodec.encode(opening),
    statement: seal(publicKey, bytes, context),
    forAuthor: seal(author.organisation.sealingKey, bytes, context),
  }
  const stored = await leaveWords(peer, by, submission, options, async custodian => ({
    type: 'put-dispute',
    value: { ...(await signAsk(peer, by.key, { folder: by.id, consent: null, custodian })), ...value },
  }))
  return { id, committed, due: line.due, stored }
}

/** The ledger's line of a dispute. @throws EpioneError `not-found` */
export async function disputeLine(peer: LightPeer, folder: Uint8Array, id: Uint8Array, options: CallOptions = {}): Promise<Dispute> {
  const value = await peer.readOne(stateKey.dispute(folder, id), options)
  if (value === null) throw notFound()
  return disputeCodec.decode(value)
}
