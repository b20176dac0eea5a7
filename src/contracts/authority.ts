/** Who may act, and on whose quota: what is checked of every transaction before its contract runs. */
import { ownerKeyHash, recoveryKeyHash } from '../crypto/wallet.ts'
import { equalBytes } from '../encoding/bytes.ts'
import type { Origin, Transaction, TransactionContent, TransactionSignature } from '../ledger/transaction.ts'
import type { ActionPolicy, ActionState, FolderSigner } from './action.ts'
import { ContractError } from './contract-error.ts'
import { mayActFor } from './delegation-rules.ts'
import { type Folder, folderCodec } from './folders-formats.ts'
import { type Account, accountCodec, type Parameters, quotaCodec } from './members-formats.ts'
import { readRecovery } from './recovery-rules.ts'
import { stateKey } from './state-keys.ts'

/** Span of one quota, in ms: each full hour of block time starts a new one. */
const QUOTA_WINDOW_MS = 60 * 60 * 1000

/** Rules on the transaction's form alone: the kind of its author, and its sponsor. @throws ContractError */
export function checkForm({ content }: Transaction, policy: ActionPolicy): void {
  const { from, sponsor, contract, action } = content
  if (!policy.authors.includes(from.kind)) {
    throw new ContractError('not-allowed', `${contract}.${action} is not for ${from.kind === 'folder' ? 'folders' : 'accounts'} to do.`)
  }
  if (from.kind === 'account' && sponsor !== null) {
    throw new ContractError('unexpected-sponsor', 'A member is charged itself and takes no sponsor.')
  }
  if (from.kind === 'folder' && sponsor === null && policy.folderCharge === 'sponsor') {
    throw new ContractError('sponsor-required', `${contract}.${action} by a folder needs a member that sponsors it.`)
  }
}

/**
 * Whether the keys that signed may act for author and sponsor. Signatures over these keys were verified before.
 * @throws ContractError `unknown-author`, `unknown-sponsor`, `wrong-key`; `unknown-owner` for a folder that does not exist and for
 * one with another owner alike. It is not `not-found`, which acts of proven authors end in: those are paid for and are replays
 * when they come again, while what nobody proved must keep nothing out
 */
export function checkAuthority({ content, signatures }: Transaction, policy: ActionPolicy, state: ActionState, timeMs: number): void {
  const author = (signatures[0] as TransactionSignature).publicKey
  if (content.from.kind === 'account') {
    checkMember(activeAccount(state, content.from.id, 'unknown-author'), author)
  } else {
    const folder = state.read(folderCodec, stateKey.folder(content.from.id))
    const { signers = ['owner'] } = policy
    const isFolders = folder?.status === 'open' && signers.some(signer => isSigner(signer, author, content.from.id, folder, state))
    if (!isFolders && (folder?.status !== 'open' || !isDelegate(content, author, policy, state, timeMs))) {
      throw new ContractError('unknown-owner', 'There is no such folder for the key that signed.')
    }
  }
  if (content.sponsor !== null) {
    const sponsor = activeAccount(state, content.sponsor, 'unknown-sponsor')
    checkMember(sponsor, (signatures[1] as TransactionSignature).publicKey)
  }
}

/** A delegate needs a sponsor for everything, so that it cannot use up the bucket of those for whom it acts. */
function isDelegate(
  { from, sponsor }: TransactionContent,
  key: Uint8Array,
  policy: ActionPolicy,
  state: ActionState,
  timeMs: number,
): boolean {
  const { delegateRight } = policy
  return delegateRight !== undefined && sponsor !== null && mayActFor(state, from.id, key, delegateRight, timeMs)
}

function isSigner(signer: FolderSigner, key: Uint8Array, id: Uint8Array, folder: Folder, state: ActionState): boolean {
  switch (signer) {
    case 'owner':
      return equalBytes(ownerKeyHash(key), folder.ownerKeyHash)
    case 'recovery':
      return equalBytes(recoveryKeyHash(key), folder.recoveryKeyHash)
    case 'successor':
      return equalBytes(ownerKeyHash(key), readRecovery(state, id).pending?.ownerKeyHash ?? new Uint8Array(0))
  }
}

function activeAccount(state: ActionState, id: Uint8Array, code: string): Account {
  const account = state.read(accountCodec, stateKey.account(id))
  if (account?.status !== 'active') throw new ContractError(code, 'The account is not an active member.')
  return account
}

function checkMember(account: Account, publicKey: Uint8Array): void {
  if (!equalBytes(account.organisation.signingKey, publicKey)) {
    throw new ContractError('wrong-key', 'The signing key is not the present key of the account.')
  }
}

/** Whose quota it is: an account's, a folder's, or that of a folder's recovery key. */
export interface Payer {
  readonly kind: Origin['kind'] | 'recovery'
  readonly id: Uint8Array
}

/**
 * On whose quota a transaction draws: its sponsor's, its author account's, or a bucket of the folder itself. The recovery key has its own,
 * so that who took the owner key cannot use up what it takes to get the folder back.
 */
export function payerOf({ from, sponsor }: TransactionContent, folderCharge: ActionPolicy['folderCharge'] | undefined): Payer {
  if (sponsor !== null) return { kind: 'account', id: sponsor }
  return from.kind === 'folder' && folderCharge === 'recovery' ? { kind: 'recovery', id: from.id } : from
}

/** What a charge depends on beside the state. */
export interface ChargeTerms {
  /** Time of the block, in ms. */
  readonly timeMs: number
  /** Acts on the same quota that the state does not show yet; in a block there are none. @default 0 */
  readonly pending?: number | undefined
}

/** Charges a transaction to its payer. @throws ContractError `over-quota`, `over-folder-quota` */
export function charge(
  { content }: Transaction,
  policy: ActionPolicy,
  state: ActionState,
  parameters: Parameters,
  terms: ChargeTerms,
): void {
  const payer = payerOf(content, policy.folderCharge)
  if (payer.kind !== 'account') {
    const bucket = payer.kind === 'folder' ? stateKey.folderBucket(payer.id) : stateKey.recoveryBucket(payer.id)
    if (!draw(state, bucket, parameters.folderQuota, terms)) {
      throw new ContractError('over-folder-quota', `A folder does at most ${parameters.folderQuota} acts an hour without a sponsor.`)
    }
  } else if (!draw(state, stateKey.sponsorQuota(payer.id), parameters.sponsorQuota, terms)) {
    throw new ContractError('over-quota', `A member sends and sponsors at most ${parameters.sponsorQuota} transactions an hour.`)
  }
}

/** Takes one from the quota of the present hour; false where it is used up. */
function draw(state: ActionState, key: Uint8Array, limit: number, { timeMs, pending = 0 }: ChargeTerms): boolean {
  const hour = Math.floor(timeMs / QUOTA_WINDOW_MS)
  const known = state.read(quotaCodec, key)
  const used = known?.hour === hour ? known.used : 0
  if (used + pending >= limit) return false
  state.write(quotaCodec, key, { hour, used: used + 1 })
  return true
}
