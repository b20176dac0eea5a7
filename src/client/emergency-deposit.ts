/** The patient's side of break-glass: shares of an emergency summary's key at its custodians, and which of them are there. */
import { type Deposit, depositBodyCodec, depositCodec, standingDeposit, withdrawBodyCodec } from '../contracts/emergency-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { seal } from '../crypto/sealing.ts'
import { shareCommitmentsCodec, splitSecret } from '../crypto/secret-sharing.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { sealingContext, shareCommitmentsHash } from '../fragments/formats.ts'
import { holdersAfter } from '../fragments/holders.ts'
import { folderRequestCodec, heldShareResponseCodec } from '../network/light-messages.ts'
import { PROTOCOL } from '../network/protocols.ts'
import { setsAfter } from './current-custodians.ts'
import { signAsk } from './folder-ask.ts'
import { folderCustodians } from './folder-custodians.ts'
import { folderOwnerKey, folderSeed, type OwnedFolder, readFolder, type Wallet } from './folders.ts'
import type { Committed, LightPeer, MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { notFound } from './not-found.ts'

/** The deposit of a folder as the ledger has it; null where there is none, or it was taken back. */
export async function readDeposit(peer: LightPeer, folder: Uint8Array, options: CallOptions = {}): Promise<Deposit | null> {
  return standingDeposit(await readLine(peer, folder, options))
}

async function readLine(peer: LightPeer, folder: Uint8Array, options: CallOptions): Promise<Deposit | null> {
  const value = await peer.readOne(stateKey.emergencyDeposit(folder), options)
  return value === null ? null : depositCodec.decode(value)
}

/** Who is to hold the shares of a deposit today, by position; null where the place is vacant. */
export async function shareHolders(
  peer: LightPeer,
  folderId: Uint8Array,
  deposit: Deposit,
  options: CallOptions = {},
): Promise<(MemberInfo | null)[]> {
  const folder = await readFolder(peer, folderId, options)
  if (folder === null) throw notFound()
  const { n, k, policies } = peer.parameters
  const custodians = await peer.custodiansAt(deposit.memberHeight, options)
  const request = { key: folderId, custodians, n, k, policy: policies[folder.policy]?.jurisdictions ?? null }
  const today = holdersAfter(request, await setsAfter(peer, deposit.memberHeight, options)).custodians
  const members = new Map((await peer.members(options)).map(member => [toHex(member.id), member]))
  return today.map(holder => (holder === undefined ? null : (members.get(toHex(holder.id)) ?? null)))
}

/** One place of a deposit: who is to hold the share, and whether they say that they do. */
export interface SharePlace {
  readonly position: number
  /** Null where no custodian may take the place now. */
  readonly custodian: MemberInfo | null
  readonly state: 'held' | 'missing' | 'no-answer'
}

export interface DepositStatus {
  /** Null where the folder cannot be opened by breaking the glass. */
  readonly deposit: Deposit | null
  /** Whether the deposit is of the folder's present epoch; what came after another one cannot be opened. */
  readonly isCurrent: boolean
  readonly places: readonly SharePlace[]
  /** Shares that are needed. */
  readonly needed: number
}

/** Asks every custodian which share it holds. */
export async function depositStatus(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  options: CallOptions = {},
): Promise<DepositStatus> {
  const needed = peer.parameters.k
  const deposit = await readDeposit(peer, owned.id, options)
  if (deposit === null) return { deposit, isCurrent: false, places: [], needed }
  const folder = await readFolder(peer, owned.id, options)
  const holders = await shareHolders(peer, owned.id, deposit, options)
  const places = await Promise.all(
    holders.map(async (custodian, position): Promise<SharePlace> => {
      if (custodian === null) return { position, custodian, state: 'missing' }
      try {
        const held = await askShare(peer, wallet, owned, custodian, options)
        const isHeld = held !== null && held.position === position && equalBytes(held.commitments, deposit.commitments)
        return { position, custodian, state: isHeld ? 'held' : 'missing' }
      } catch {
        options.signal?.throwIfAborted()
        return { position, custodian, state: 'no-answer' }
      }
    }),
  )
  return { deposit, isCurrent: folder?.epoch === deposit.epoch, places, needed }
}

async function askShare(peer: LightPeer, wallet: Wallet, owned: OwnedFolder, custodian: MemberInfo, options: CallOptions) {
  const ask = await signAsk(peer, folderOwnerKey(wallet, owned), { folder: owned.id, consent: null, custodian })
  const request = folderRequestCodec.encode({ type: 'share', value: ask })
  const answer = await peer.nodes.request(custodian.organisation.networkKey, PROTOCOL.folder, request, { ...options, maxResponse: 256 })
  return heldShareResponseCodec.decode(answer)
}

export interface DepositResult {
  readonly committed: Committed
  /** Custodians that took their share. */
  readonly stored: number
  readonly failures: readonly { custodian: MemberInfo; code: string }[]
}

/**
 * Shares the key of the folder's present epoch among its custodians. A deposit before it is worth nothing from then on, so that
 * nothing is changed unless enough custodians answer; where some then do not take their share, doing it again mends it.
 * @throws EpioneError `not-emergency-summary`, `too-few-custodians` with nothing changed; `too-few-receipts` where too few took theirs
 */
export async function depositShares(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  options: CallOptions = {},
): Promise<DepositResult> {
  if (owned.label !== 'emergency-summary') {
    throw new EpioneError('not-emergency-summary', `Break-glass opens emergency summaries alone; this folder has the label ${owned.label}.`)
  }
  const folder = await readFolder(peer, owned.id, options)
  if (folder === null) throw notFound()
  const { epoch } = folder
  const { n, k } = peer.parameters
  const { height: memberHeight } = await peer.custodians(options)
  const custodians = await folderCustodians(peer, owned.id, folder, options)
  const needed = n - Math.floor((n - 1) / 3)
  const asked = await Promise.allSettled(custodians.map(async custodian => await askShare(peer, wallet, owned, custodian, options)))
  options.signal?.throwIfAborted()
  const answering = asked.filter(({ status }) => status === 'fulfilled').length
  if (answering < needed) {
    throw new EpioneError(
      'too-few-custodians',
      `Only ${answering} of ${n} custodians answer and ${needed} are needed; nothing was changed.`,
    )
  }
  const { shares, commitments } = await splitSecret(folderSeed(wallet, owned, epoch), { shares: n, threshold: k })
  const commitmentBytes = shareCommitmentsCodec.encode(commitments)
  const hash = shareCommitmentsHash(commitmentBytes)
  const committed = await act(peer, wallet, owned, 'deposit', depositBodyCodec.encode({ epoch, memberHeight, commitments: hash }), options)
  const results = await Promise.allSettled(
    custodians.map(async (custodian, position) => {
      const context = sealingContext.emergencyShare(peer.chainId, owned.id, epoch, hash, position)
      const sealed = seal(custodian.organisation.sealingKey, shares[position] as Uint8Array, context)
      const { id: ofFolder, label, labelSalt } = owned
      const value = { folder: ofFolder, position, label, labelSalt, commitments: commitmentBytes, sealed }
      const request = folderRequestCodec.encode({ type: 'put-share', value })
      await peer.nodes.request(custodian.organisation.networkKey, PROTOCOL.folder, request, { ...options, maxResponse: 1024 })
    }),
  )
  options.signal?.throwIfAborted()
  const failures = results.flatMap((result, position) =>
    result.status === 'rejected' ? [{ custodian: custodians[position] as MemberInfo, code: errorCode(result.reason) }] : [],
  )
  const stored = n - failures.length
  if (stored < needed) {
    throw new EpioneError('too-few-receipts', `Only ${stored} of ${n} custodians took their share and ${needed} are needed; do it again.`, {
      metadata: { receipts: stored, needed },
    })
  }
  return { committed, stored, failures }
}

/** Takes the shares back: nobody breaks this folder's glass any more, and custodians forget theirs. */
export async function withdrawShares(peer: LightPeer, wallet: Wallet, owned: OwnedFolder, options: CallOptions = {}): Promise<Committed> {
  return await act(peer, wallet, owned, 'withdraw', withdrawBodyCodec.encode({}), options)
}

async function act(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  action: 'deposit' | 'withdraw',
  body: Uint8Array,
  options: CallOptions,
): Promise<Committed> {
  const key = folderOwnerKey(wallet, owned)
  return await peer.submit(peer.sign({ from: { kind: 'folder', id: owned.id }, contract: 'emergency', action, body }, key), options)
}

/**
 * Whether the wallet has to share the key (again): there is no deposit of the present epoch, or one of its places is vacant. Not where
 * the owner took it back. What custodians hold is not asked; {@link depositStatus} does.
 */
export async function needsDeposit(peer: LightPeer, owned: OwnedFolder, options: CallOptions = {}): Promise<boolean> {
  if (owned.label !== 'emergency-summary') return false
  const deposit = await readLine(peer, owned.id, options)
  if (deposit?.withdrawn === true) return false
  if (deposit === null || deposit.epoch !== owned.folder.epoch) return true
  const placed = await folderCustodians(peer, owned.id, owned.folder, options)
  const holders = await shareHolders(peer, owned.id, deposit, options)
  return placed.length > holders.filter(holder => holder !== null).length
}
