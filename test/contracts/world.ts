/** A small network for tests of contracts: its members, and a ledger that executes blocks without any node around it. */

import { openBodyCodec } from '../../src/contracts/access-formats.ts'
import { consentId, expiryBucket, grantBodyCodec } from '../../src/contracts/consents-formats.ts'
import { EMERGENCY_DEFAULTS } from '../../src/contracts/emergency-formats.ts'
import { type CreateFolder, createFolderCodec, folderId } from '../../src/contracts/folders-formats.ts'
import { genesisChanges } from '../../src/contracts/members.ts'
import { accountId, chainId, type Genesis, type Organisation, type VoteBody, voteBodyCodec } from '../../src/contracts/members-formats.ts'
import { anchorBodyCodec } from '../../src/contracts/records-formats.ts'
import { type BlockResult, countsAsSeen, executeBlock } from '../../src/contracts/runtime.ts'
import { NAMESPACE, stateKey } from '../../src/contracts/state-keys.ts'
import { SEALING_PUBLIC_KEY_LENGTH } from '../../src/crypto/sealing-suites.ts'
import { type SigningKey, signingKeyFromSeed } from '../../src/crypto/signature.ts'
import { ownerKeyHash, recoveryKeyHash } from '../../src/crypto/wallet.ts'
import { toHex, utf8 } from '../../src/encoding/bytes.ts'
import { taggedHash } from '../../src/encoding/hash.ts'
import type { Codec } from '../../src/encoding/schema.ts'
import type { Receipt } from '../../src/ledger/receipt.ts'
import { type StateChange, StateTree } from '../../src/ledger/state-tree.ts'
import { countersign, createTransaction, type Transaction, type TransactionContent } from '../../src/ledger/transaction.ts'

/** 32 bytes that a name stands for. */
export function hashOf(name: string): Uint8Array {
  return taggedHash('test', utf8(name))
}

export function keyOf(name: string): SigningKey {
  return signingKeyFromSeed(hashOf(`key of ${name}`))
}

export function organisation(name: string, changes: Partial<Organisation> = {}): Organisation {
  return {
    name,
    jurisdiction: 'KE',
    kind: 'provider',
    signingKey: keyOf(name).publicKey,
    sealingKey: sealingKey(name),
    networkKey: keyOf(`${name} network`).publicKey,
    consensusKey: keyOf(`${name} consensus`).publicKey,
    power: 10,
    capacity: 100,
    ...changes,
  }
}

export function sealingKey(name: string): Uint8Array {
  const key = new Uint8Array(SEALING_PUBLIC_KEY_LENGTH).fill(hashOf(name)[0] as number)
  key[0] = 1
  return key
}

/** A member that neither validates nor stores. */
export function plainOrganisation(name: string, changes: Partial<Organisation> = {}): Organisation {
  return organisation(name, { consensusKey: null, power: 0, capacity: 0, ...changes })
}

export const GENESIS_TIME = Date.UTC(2025, 0, 1, 12)
export const HOUR = 3_600_000
export const DAY = 24 * HOUR

export function genesisOf(changes: Partial<Genesis> = {}, parameters: Partial<Genesis['parameters']> = {}): Genesis {
  return {
    version: 1,
    network: 'test',
    time: GENESIS_TIME,
    parameters: {
      n: 4,
      k: 2,
      heartbeatMs: 30_000,
      proposeTimeoutMs: 1000,
      voteTimeoutMs: 500,
      timeoutGrowthMs: 250,
      sponsorQuota: 1000,
      folderQuota: 16,
      auditWindowMs: 300_000,
      emergency: EMERGENCY_DEFAULTS,
      recoveryWaitMs: 72 * 3_600_000,
      recoverySecondWaitMs: 14 * 24 * 3_600_000,
      policies: [
        { name: 'anywhere', jurisdictions: null },
        { name: 'germany', jurisdictions: ['DE'] },
      ],
      dictionaries: [],
      ...parameters,
    },
    organisations: ['nairobi', 'berlin', 'recife', 'pune'].map(name => organisation(name)).concat(plainOrganisation('payer')),
    ...changes,
  }
}

type Body = Pick<TransactionContent, 'contract' | 'action' | 'body'>

export function act<T>(name: string, codec: Codec<T>, body: T): Body {
  const [contract, action] = name.split('.') as [string, string]
  return { contract, action, body: codec.encode(body) }
}

/** A ledger: one state, moved by blocks. */
export class World {
  readonly genesis: Genesis
  readonly chainId: Uint8Array
  state: StateTree
  height = 0
  timeMs: number
  readonly seen = new Set<string>()
  #nonce = 0

  constructor(genesis: Genesis = genesisOf()) {
    this.genesis = genesis
    this.chainId = chainId(genesis)
    this.state = StateTree.empty().apply(genesisChanges(genesis))
    this.timeMs = genesis.time
  }

  /** Executes a block and moves on to it. */
  block(transactions: readonly Transaction[], options: { timeMs?: number; signaturesValid?: boolean } = {}): BlockResult {
    const result = this.preview(transactions, options)
    this.state = this.state.apply(result.changes)
    this.height++
    this.timeMs = options.timeMs ?? this.timeMs + 1000
    for (const { transaction, code } of result.receipts) if (countsAsSeen(code)) this.seen.add(toHex(transaction))
    return result
  }

  /** Executes a block without moving. */
  preview(transactions: readonly Transaction[], options: { timeMs?: number; signaturesValid?: boolean } = {}): BlockResult {
    return executeBlock({
      state: this.state,
      chainId: this.chainId,
      height: this.height + 1,
      time: options.timeMs ?? this.timeMs + 1000,
      transactions: transactions.map(transaction => ({ transaction, signaturesValid: options.signaturesValid ?? true })),
      seen: id => this.seen.has(toHex(id)),
    })
  }

  /** A block of one transaction: its receipt. */
  run(transaction: Transaction, options: { timeMs?: number; signaturesValid?: boolean } = {}): Receipt {
    return this.block([transaction], options).receipts[0] as Receipt
  }

  read<T>(codec: Codec<T>, key: Uint8Array): T | undefined {
    const bytes = this.state.get(key)
    return bytes === undefined ? undefined : codec.decode(bytes)
  }

  content(from: TransactionContent['from'], body: Body, sponsor: string | null, changes: Partial<TransactionContent>): TransactionContent {
    const nonce = new Uint8Array(16)
    new DataView(nonce.buffer).setUint32(0, this.#nonce++)
    return {
      chainId: this.chainId,
      from,
      validUntil: this.timeMs + 60_000,
      nonce,
      ...body,
      sponsor: sponsor === null ? null : accountId(keyOf(sponsor).publicKey),
      ...changes,
    }
  }

  /** A member's act. */
  byMember(member: string, body: Body, changes: Partial<TransactionContent> = {}): Transaction {
    const key = keyOf(member)
    return createTransaction(this.content({ kind: 'account', id: accountId(key.publicKey) }, body, null, changes), key)
  }

  /** An act of the folder that `owner` made first, signed by `signer` (by default the same). */
  byFolder(
    owner: string,
    body: Body,
    options: { sponsor?: string; signer?: string; changes?: Partial<TransactionContent> } = {},
  ): Transaction {
    const content = this.content({ kind: 'folder', id: this.folder(owner) }, body, options.sponsor ?? null, options.changes ?? {})
    const transaction = createTransaction(content, keyOf(options.signer ?? owner))
    return options.sponsor === undefined ? transaction : countersign(transaction, keyOf(options.sponsor))
  }

  folder(owner: string): Uint8Array {
    return folderId(this.chainId, ownerHash(owner))
  }

  vote(member: string, body: VoteBody): Transaction {
    return this.byMember(member, act('members.vote', voteBodyCodec, body))
  }

  create(member: string, owner: string, changes: Partial<CreateFolder> = {}): Transaction {
    return this.byMember(member, act('folders.create', createFolderCodec, createBody(owner, changes)))
  }

  anchorBody(owner: string, submission: string, changes: Partial<Parameters<typeof anchorBodyCodec.encode>[0]> = {}): Body {
    const body = { folder: this.folder(owner), epoch: 0, submissionRoot: hashOf(submission), sizeBucket: 20, n: 4, k: 2, memberHeight: 0 }
    return act('records.anchor', anchorBodyCodec, { ...body, ...changes })
  }

  grantBody(commitment: string, changes: Partial<Parameters<typeof grantBodyCodec.encode>[0]> = {}): Body {
    const body = { commitment: hashOf(commitment), wrapHash: hashOf(`${commitment} wrap`), epoch: 0 }
    return act('consents.grant', grantBodyCodec, { ...body, expiry: expiryBucket(this.timeMs + 30 * DAY), ...changes })
  }

  consent(owner: string, commitment: string): Uint8Array {
    return consentId(this.folder(owner), hashOf(commitment))
  }

  openBody(owner: string, consent: Uint8Array | null, changes: Partial<Parameters<typeof openBodyCodec.encode>[0]> = {}): Body {
    const body = { folder: this.folder(owner), consent, commitment: hashOf('access'), until: this.timeMs + 600_000 }
    return act('access.open', openBodyCodec, { ...body, ...changes })
  }
}

export function createBody(owner: string, changes: Partial<CreateFolder> = {}): CreateFolder {
  return {
    ownerKeyHash: ownerHash(owner),
    recoveryKeyHash: recoveryKeyHash(keyOf(`${owner} recovery`).publicKey),
    sealingKey: sealingKey(owner),
    labelCommitment: hashOf(`${owner} label`),
    policy: 0,
    ...changes,
  }
}

export function ownerHash(owner: string): Uint8Array {
  return ownerKeyHash(keyOf(owner).publicKey)
}

export function account(member: string): Uint8Array {
  return accountId(keyOf(member).publicKey)
}

/** The account's key in the state. */
export function accountKey(member: string): Uint8Array {
  return stateKey.account(account(member))
}

const QUOTAS: readonly (number | undefined)[] = [NAMESPACE.sponsorQuota, NAMESPACE.folderBucket, NAMESPACE.recoveryBucket]

/** Whether a change is to what a member, a folder or a recovery key drew in the present hour. */
export function isQuota({ key }: StateChange): boolean {
  return QUOTAS.includes(key[0])
}

/** Codes of what is refused before anybody was proven to pay for it, or because the quota is used up. */
const FREE_CODES: ReadonlySet<string> = new Set([
  ...['wrong-chain', 'bad-signature', 'expired', 'too-far-ahead', 'seen', 'unknown-contract', 'unknown-action', 'malformed'],
  ...['not-allowed', 'unexpected-sponsor', 'sponsor-required', 'unknown-author', 'unknown-sponsor', 'wrong-key', 'unknown-owner'],
  ...['over-quota', 'over-folder-quota'],
])

/** How many leaves of the state an act changes that is refused with this code: its payer's quota, or none. */
export function leavesOf(code: string): number {
  return FREE_CODES.has(code) ? 0 : 1
}
