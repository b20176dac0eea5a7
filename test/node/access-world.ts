/** Custodians that follow one ledger each at its own pace, a patient, delegates and readers: real code, a virtual clock. */
import { join } from 'node:path'
import type { Wallet } from '../../src/client/folders.ts'
import { contentOf } from '../../src/client/record-object.ts'
import { accessEntryId, openBodyCodec } from '../../src/contracts/access-formats.ts'
import {
  type AccessOpening,
  accessCommitment,
  type ConsentOpening,
  consentCommitment,
  consentOpeningCodec,
  type Provision,
  type Purpose,
  type RecordClass,
} from '../../src/contracts/consent-terms.ts'
import { consentId, expiryBucket, grantBodyCodec, revokeBodyCodec } from '../../src/contracts/consents-formats.ts'
import { grantDelegationCodec, type Right, rightsBits } from '../../src/contracts/delegations-formats.ts'
import {
  clinicianPseudonym,
  depositBodyCodec,
  type EmergencyReason,
  emergencyCommitment,
  emergencyOpenBodyCodec,
  withdrawBodyCodec,
} from '../../src/contracts/emergency-formats.ts'
import {
  advanceFolderCodec,
  createFolderCodec,
  folderId,
  type Label,
  labelCommitment,
  rotateFolderCodec,
} from '../../src/contracts/folders-formats.ts'
import { anchorBodyCodec, eraseBodyCodec, erasureMark } from '../../src/contracts/records-formats.ts'
import { encryptObject } from '../../src/crypto/object-stream.ts'
import { seal } from '../../src/crypto/sealing.ts'
import { type SplitSecret, shareCommitmentsCodec, splitSecret } from '../../src/crypto/secret-sharing.ts'
import type { SigningKey } from '../../src/crypto/signature.ts'
import { delegateKeyHash, folderSealingKey, folderSealingSeed, ownerKey, ownerKeyHash } from '../../src/crypto/wallet.ts'
import { concat, equalBytes, utf8 } from '../../src/encoding/bytes.ts'
import { type DispersedBytes, disperseBytes } from '../../src/fragments/dispersal.ts'
import {
  classCommitment,
  sealedKeyHash,
  sealingContext,
  shareCommitmentsHash,
  submissionRoot,
  type VersionMeta,
  wrapHash,
} from '../../src/fragments/formats.ts'
import { pastKeysHash, sealPastKeys } from '../../src/fragments/past-keys.ts'
import { place } from '../../src/fragments/placement.ts'
import type { Block } from '../../src/ledger/block.ts'
import { receiptCodec } from '../../src/ledger/receipt.ts'
import { countersign, createTransaction, type TransactionContent } from '../../src/ledger/transaction.ts'
import type { FolderRequest } from '../../src/network/light-messages.ts'
import type { Chain } from '../../src/node/chain.ts'
import { custodiansAt } from '../../src/node/directory.ts'
import { CODE, Custodian, LABEL_SALT } from './access-custodian.ts'
import { type Holder, holder, keyOfDelegate } from './access-people.ts'
import { genesisOf, nodeKeys, seedOf, walletOf } from './cluster.ts'
import { nextBlock, openTestChain, type TestChain, temporary } from './ledger-fixture.ts'

const quiet = (): void => undefined
/** The same in each run, so that what follows from a seed does, days included. */
const GENESIS_TIME = Date.UTC(2025, 2, 3, 9)
/** Break-glass is rationed elsewhere: here nobody runs out of it. */
const UNRATIONED = { perClinicianDay: 64, perOrganisationDay: 10_000, reviewMs: 90 * 86_400_000, maxOverdue: 64 }

/** A folder, and what its owner knows of it. */
export interface Folder {
  id: Uint8Array
  label: Label
  /** Index of the wallet's keys under which it was opened: those of its sealing keys. */
  index: number
  /** Index of its owner key now. */
  ownerIndex: number
  epoch: number
}

/** To whom a consent is; a delegation is one, too. */
export type Grantee = { type: 'person' | 'organisation' } | { type: 'role'; role: string } | { type: 'delegate' }

export interface Consent {
  id: Uint8Array
  folder: Folder
  to: Grantee
  /** Who has the key that it is wrapped to. */
  holder: number
  /** The key that asks custodians for the wrap; a delegate acts by it, too. */
  key: SigningKey
  commitment: Uint8Array
  opening: Uint8Array
  /** Whole day after which the ledger has it as ended, in ms. */
  expiry: number
}

export interface Terms {
  classes: RecordClass[]
  purposes: Purpose[]
  /** In ms; null for as long as the ledger has it. */
  end: number | null
  expiry: number
}

/** A line in a folder's log, and who asks under it. */
export interface Session {
  entry: Uint8Array
  folder: Folder
  consent: Consent | null
  access: AccessOpening
  /** Of break-glass alone. */
  reason: EmergencyReason | null
  until: number
}

export interface Version {
  folder: Folder
  epoch: number
  root: Uint8Array
  meta: VersionMeta
  plaintext: Uint8Array
  dek: Uint8Array
  pieces: DispersedBytes
}

/** Shares of a folder's key. */
export interface Deposit {
  folder: Folder
  epoch: number
  split: SplitSecret
  commitments: Uint8Array
  hash: Uint8Array
}

interface Act {
  contract: string
  action: string
  body: Uint8Array
  by: Folder | number
  /** Instead of the owner's. */
  key?: SigningKey
  sponsored?: boolean
}

export class AccessWorld implements AsyncDisposable {
  readonly dir: string
  readonly genesis = genesisOf({ time: GENESIS_TIME }, { folderQuota: 1000, emergency: UNRATIONED })
  readonly wallet: Wallet = walletOf('patient')
  readonly custodians: Custodian[]
  /** All blocks so far, from height 1 on. */
  readonly blocks: Block[] = []
  /** Time in the world, in ms. */
  now = 0
  /** Every wrap that was ever made, whether the ledger names it or not. */
  readonly wraps: { holder: number; folder: Folder; epoch: number; commitment: Uint8Array; wrap: Uint8Array }[] = []
  readonly #place: ReturnType<typeof temporary>
  readonly #lines = new Map<Folder, number>()
  #ledger: TestChain | undefined
  #made = 0

  private constructor(files: ReturnType<typeof temporary>, skews: readonly number[]) {
    this.#place = files
    this.dir = files.dir
    this.custodians = skews.map((skew, number) => new Custodian(this, number, skew))
  }

  static async open(skews: readonly number[]): Promise<AccessWorld> {
    const world = new AccessWorld(temporary(), skews)
    world.#ledger = await openTestChain(join(world.dir, 'ledger'), world.genesis)
    world.now = world.ledger.tip.header.time
    for (const custodian of world.custodians) await custodian.open()
    return world
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const custodian of this.custodians) await custodian.close()
    await this.#ledger?.[Symbol.asyncDispose]()
    this.#place[Symbol.dispose]()
  }

  /** The whole ledger, which no custodian may have yet. */
  get ledger(): Chain {
    return (this.#ledger as TestChain).chain
  }

  /** Time of the next block, at the least. */
  get soon(): number {
    return Math.max(this.now, this.ledger.tip.header.time + 1)
  }

  /** Something that was not there before. */
  fresh(name: string): Uint8Array {
    return seedOf(name, this.#made++)
  }

  /** A block of now, with this act or none. It is nobody's yet but the ledger's. */
  async commit(act?: Act): Promise<void> {
    const { ledger } = this
    const transactions = []
    if (act !== undefined) {
      const { contract, action, body, by, sponsored = false } = act
      const [from, key]: [TransactionContent['from'], SigningKey] =
        typeof by === 'number'
          ? [{ kind: 'account', id: nodeKeys(by).account }, nodeKeys(by).signing]
          : [{ kind: 'folder', id: by.id }, act.key ?? this.ownerKey(by)]
      const content = {
        ...{ chainId: ledger.chainId, from, contract, action, body, sponsor: sponsored ? nodeKeys(0).account : null },
        ...{ nonce: this.fresh('nonce').slice(0, 16), validUntil: this.soon + 1_800_000 },
      }
      const transaction = createTransaction(content, key)
      transactions.push(sponsored ? countersign(transaction, nodeKeys(0).signing) : transaction)
    }
    this.now = this.soon
    const block = nextBlock(ledger, transactions, this.now - ledger.tip.header.time)
    if (block.transactions.length !== transactions.length) throw new Error(`${act?.contract}.${act?.action} was refused`)
    await ledger.accept(block)
    this.blocks.push(block)
    const [receipt] = await ledger.store.receipts(block.header.height)
    const code = receipt === undefined ? 'ok' : receiptCodec.decode(receipt).code
    if (code !== 'ok') throw new Error(`${act?.contract}.${act?.action} failed: ${code}`)
  }

  ownerKey(folder: Folder, index = folder.ownerIndex): SigningKey {
    return ownerKey(this.wallet.seed, index)
  }

  async createFolder(index: number, label: Label): Promise<Folder> {
    const hash = ownerKeyHash(ownerKey(this.wallet.seed, index).publicKey)
    const body = createFolderCodec.encode({
      ownerKeyHash: hash,
      recoveryKeyHash: seedOf('recovery', index),
      sealingKey: folderSealingKey(this.wallet.seed, index, 0).publicKey,
      labelCommitment: labelCommitment(LABEL_SALT, label),
      policy: 0,
    })
    await this.commit({ contract: 'folders', action: 'create', body, by: 0 })
    return { id: folderId(this.ledger.chainId, hash), label, index, ownerIndex: index, epoch: 0 }
  }

  seedOf({ index }: Folder, epoch: number): Uint8Array {
    return folderSealingSeed(this.wallet.seed, index, epoch)
  }

  /** Writes a version and anchors it. */
  async put(folder: Folder, recordClass: RecordClass, plaintext: Uint8Array): Promise<Version> {
    const [dek, objectSalt, recordId] = [this.fresh('dek'), this.fresh('object'), this.fresh('record')]
    const pieces: Uint8Array[] = []
    for await (const piece of encryptObject(dek, objectSalt, contentOf(plaintext).open(), plaintext.length))
      pieces.push(Uint8Array.from(piece))
    const ciphertext = concat(...pieces)
    const rest = { class: recordClass, size: ciphertext.length, plaintext, dek, pieces: disperseBytes(ciphertext, CODE) }
    return await this.#anchor(folder, recordId, rest)
  }

  /** Puts a version into another folder, with the same ciphertext: as a wallet moves it, before it erases it. */
  async move({ meta, plaintext, dek, pieces }: Version, into: Folder): Promise<Version> {
    return await this.#anchor(into, meta.leaf.recordId, { class: meta.class, size: meta.size, plaintext, dek, pieces })
  }

  async #anchor(
    folder: Folder,
    recordId: Uint8Array,
    {
      size,
      plaintext,
      dek,
      pieces,
      ...made
    }: { class: RecordClass; size: number; plaintext: Uint8Array; dek: Uint8Array; pieces: DispersedBytes },
  ): Promise<Version> {
    const salt = this.fresh('salt')
    const context = sealingContext.versionKey(this.ledger.chainId, folder.id, folder.epoch, recordId, 1)
    const sealedKey = seal(folderSealingKey(this.wallet.seed, folder.index, folder.epoch).publicKey, dek, context)
    const leaf = {
      ...{ recordId, version: 1, dispersalRoot: pieces.root, commitment: seedOf('commitment'), sealedKeyHash: sealedKeyHash(sealedKey) },
      classCommitment: classCommitment(salt, made.class, null),
    }
    const meta: VersionMeta = { leaf, sealedKey, salt, class: made.class, dataTime: null, size }
    const version = { folder, epoch: folder.epoch, root: submissionRoot([leaf]), meta, plaintext, dek, pieces }
    for (const custodian of this.custodians) await custodian.stage(version)
    const body = { folder: folder.id, epoch: folder.epoch, submissionRoot: version.root, sizeBucket: 30, ...CODE, memberHeight: 0 }
    await this.commit({ contract: 'records', action: 'anchor', body: anchorBodyCodec.encode(body), by: 0 })
    return version
  }

  #wrap({ folder, holder: to, commitment }: Pick<Consent, 'folder' | 'holder' | 'commitment'>, epoch: number): Uint8Array {
    const context = sealingContext.grant(this.ledger.chainId, folder.id, epoch, commitment)
    const wrap = seal(holder(to).sealing.publicKey, this.seedOf(folder, epoch), context)
    this.wraps.push({ holder: to, folder, epoch, commitment, wrap })
    return wrap
  }

  /** Leaves something with every custodian that takes it: one that is behind knows no such folder, owner or delegate yet. */
  async #leave(folder: Folder, key: SigningKey, consent: Uint8Array | null, rest: (ask: object) => FolderRequest): Promise<void> {
    await Promise.all(this.custodians.map(async custodian => await custodian.ask(key, folder.id, consent, rest).catch(quiet)))
  }

  async #leaveWrap(folder: Folder, key: SigningKey, { id, opening }: Pick<Consent, 'id' | 'opening'>, wrap: Uint8Array): Promise<void> {
    const value = { opening, wrap, note: utf8('a note') }
    await this.#leave(folder, key, id, ask => ({ type: 'put-wrap', value: { ...ask, ...value } }) as FolderRequest)
  }

  /** A consent that is on no ledger yet, with its wrap at the custodians. */
  async #prepare(folder: Folder, to: Grantee, holds: number, asks: SigningKey, by: SigningKey, provision: Provision, expiry: number) {
    const opened: ConsentOpening = { salt: this.fresh('consent'), folder: folder.id, provision }
    const commitment = consentCommitment(opened)
    const opening = consentOpeningCodec.encode(opened)
    const consent: Consent = { id: consentId(folder.id, commitment), folder, to, holder: holds, key: asks, commitment, opening, expiry }
    const wrap = this.#wrap(consent, folder.epoch)
    await this.#leaveWrap(folder, by, consent, wrap)
    return { consent, terms: { commitment, wrapHash: wrapHash(wrap), epoch: folder.epoch, expiry } }
  }

  /** A grant of the owner, or of a delegate. */
  async grant(folder: Folder, to: Grantee, holds: number, { classes, purposes, end, expiry }: Terms, by?: Consent): Promise<Consent> {
    const { signing } = holder(holds)
    const key = by?.key ?? this.ownerKey(folder)
    const validity = end === null ? null : { start: this.now - 1000, end }
    const rest = { purposes, classes, dataPeriod: null, authors: [], validity, exceptions: [] }
    const provision: Provision = { decision: 'permit', grantee: granteeOf(to, holder(holds)), ...rest }
    const { consent, terms } = await this.#prepare(folder, to, holds, signing, key, provision, expiry)
    await this.commit({ contract: 'consents', action: 'grant', body: grantBodyCodec.encode(terms), by: folder, key, sponsored: true })
    return consent
  }

  /** Somebody is to act for the owner from a day until another. */
  async delegate(
    folder: Folder,
    holds: number,
    { rights, start, expiry, classes }: { rights: readonly Right[]; start: number; expiry: number; classes: RecordClass[] },
  ): Promise<Consent> {
    const key = keyOfDelegate(holds, this.#made++)
    const rest = { purposes: [], classes, dataPeriod: null, authors: [], validity: { start, end: expiry }, exceptions: [] }
    const provision: Provision = { decision: 'permit', grantee: null, ...rest }
    const { consent, terms } = await this.#prepare(folder, { type: 'delegate' }, holds, key, this.ownerKey(folder), provision, expiry)
    const what = { delegateKeyHash: delegateKeyHash(key.publicKey), rights: rightsBits(rights), start, terms: this.fresh('terms') }
    const body = grantDelegationCodec.encode({ ...terms, ...what })
    await this.commit({ contract: 'delegations', action: 'grant', body, by: folder, sponsored: true })
    return consent
  }

  async revoke({ id, folder }: Consent, by?: Consent): Promise<void> {
    const act = { contract: 'consents', action: 'revoke', body: revokeBodyCodec.encode({ consent: id }), by: folder }
    await this.commit(by === undefined ? act : { ...act, key: by.key, sponsored: true })
  }

  /** A new epoch, which ends some consents and takes others along. */
  async advance(folder: Folder, revoke: readonly Consent[], along: readonly Consent[]): Promise<void> {
    const epoch = folder.epoch + 1
    const { chainId } = this.ledger
    const { publicKey } = folderSealingKey(this.wallet.seed, folder.index, epoch)
    const seeds = Array.from({ length: epoch }, (_, i) => this.seedOf(folder, i))
    const sealed = sealPastKeys(publicKey, seeds, { chainId, folder: folder.id, epoch })
    const key = this.ownerKey(folder)
    await this.#leave(folder, key, null, ask => ({ type: 'put-past', value: { ...ask, epoch, sealed } }) as FolderRequest)
    const rewraps = []
    for (const consent of along) {
      const wrap = this.#wrap(consent, epoch)
      await this.#leaveWrap(folder, key, consent, wrap)
      rewraps.push({ consent: consent.id, wrapHash: wrapHash(wrap) })
    }
    const body = {
      epoch: folder.epoch,
      sealingKey: publicKey,
      previousKeyHash: pastKeysHash(sealed),
      revoke: revoke.map(({ id }) => id),
      rewraps,
    }
    await this.commit({ contract: 'folders', action: 'advance', body: advanceFolderCodec.encode(body), by: folder })
    folder.epoch = epoch
  }

  /** Another owner key of the same wallet. */
  async rotate(folder: Folder, ownerIndex: number): Promise<void> {
    const hash = ownerKeyHash(ownerKey(this.wallet.seed, ownerIndex).publicKey)
    const body = rotateFolderCodec.encode({ ownerKeyHash: hash, recoveryKeyHash: seedOf('recovery', folder.index) })
    await this.commit({ contract: 'folders', action: 'rotate', body, by: folder })
    folder.ownerIndex = ownerIndex
  }

  async erase({ folder, meta: { salt, leaf } }: Version): Promise<void> {
    const body = eraseBodyCodec.encode({ marks: [erasureMark(salt, leaf.recordId, leaf.version)] })
    await this.commit({ contract: 'records', action: 'erase', body, by: folder })
  }

  /** The key of the present epoch is shared among the custodians. {@link putShares} brings them their shares. */
  async deposit(folder: Folder): Promise<Deposit> {
    const { epoch } = folder
    const split = await splitSecret(this.seedOf(folder, epoch), { shares: CODE.n, threshold: CODE.k })
    const commitments = shareCommitmentsCodec.encode(split.commitments)
    const hash = shareCommitmentsHash(commitments)
    const body = depositBodyCodec.encode({ epoch, memberHeight: 0, commitments: hash })
    await this.commit({ contract: 'emergency', action: 'deposit', body, by: folder })
    return { folder, epoch, split, commitments, hash }
  }

  /** Where a custodian's share stands among those of a folder. */
  positionOf(folder: Folder, { account }: Custodian): number {
    const custodians = custodiansAt(this.ledger.tip.tree, 0) ?? []
    const placed = place({ key: folder.id, custodians, ...CODE, policy: null }).custodians
    return placed.findIndex(({ id }) => equalBytes(id, account))
  }

  async putShares({ folder, epoch, split, commitments, hash }: Deposit): Promise<void> {
    for (const custodian of this.custodians) {
      const position = this.positionOf(folder, custodian)
      const context = sealingContext.emergencyShare(this.ledger.chainId, folder.id, epoch, hash, position)
      const sealed = seal(nodeKeys(custodian.number).sealing.publicKey, split.shares[position] as Uint8Array, context)
      const value = { folder: folder.id, position, label: folder.label, labelSalt: LABEL_SALT, commitments, sealed }
      await custodian.tell({ type: 'put-share', value }).catch(quiet)
    }
  }

  async withdraw(folder: Folder): Promise<void> {
    await this.commit({ contract: 'emergency', action: 'withdraw', body: withdrawBodyCodec.encode({}), by: folder })
  }

  /** A line in the log: by a member under a consent, by the owner, or by a delegate. What it opens to is what its author says. */
  async openSession(
    folder: Folder,
    consent: Consent | null,
    by: number | SigningKey,
    who: Pick<AccessOpening, 'reader' | 'role' | 'purpose'>,
    lengthMs: number,
  ): Promise<Session> {
    const access: AccessOpening = { salt: this.fresh('access'), folder: folder.id, ...who, records: null }
    const until = this.soon + lengthMs
    const commitment = accessCommitment(access)
    const body = openBodyCodec.encode({ folder: folder.id, consent: consent?.id ?? null, commitment, until })
    const act = { contract: 'access', action: 'open', body }
    await this.commit(typeof by === 'number' ? { ...act, by } : { ...act, by: folder, key: by, sponsored: true })
    const organisation = typeof by === 'number' ? nodeKeys(by).account : null
    const entry = this.#line(folder, { organisation, consent: consent?.id ?? null, commitment, until })
    return { entry, folder, consent, access, reason: null, until }
  }

  /** Somebody of a member breaks the glass, counted under the name of this key. */
  async breakGlass(
    folder: Folder,
    by: number,
    who: Pick<AccessOpening, 'reader' | 'role' | 'purpose'> & { counted: Uint8Array },
    lengthMs: number,
  ): Promise<Session> {
    const { counted, ...rest } = who
    const access: AccessOpening = { salt: this.fresh('access'), folder: folder.id, ...rest, records: null }
    const reason = 'unconscious'
    const { account } = nodeKeys(by)
    const until = this.soon + lengthMs
    const commitment = emergencyCommitment({ access, reason })
    const body = { folder: folder.id, commitment, clinician: clinicianPseudonym(account, counted), until }
    await this.commit({ contract: 'emergency', action: 'open', body: emergencyOpenBodyCodec.encode(body), by })
    const entry = this.#line(folder, { organisation: account, consent: null, commitment, until })
    return { entry, folder, consent: null, access, reason, until }
  }

  #line(folder: Folder, line: { organisation: Uint8Array | null; consent: Uint8Array | null; commitment: Uint8Array; until: number }) {
    const index = this.#lines.get(folder) ?? 0
    this.#lines.set(folder, index + 1)
    const { height, time } = this.ledger.tip.header
    return accessEntryId({ folder: folder.id, index, ...line, height, time })
  }
}

function granteeOf(to: Grantee, { member, signing }: Holder): Provision['grantee'] {
  const organisation = nodeKeys(member as number).account
  if (to.type === 'role') return { type: 'role', value: { organisation, role: to.role } }
  return to.type === 'person'
    ? { type: 'person', value: { organisation, key: signing.publicKey } }
    : { type: 'organisation', value: { organisation } }
}

/** Whole days from now, as the ledger's ends are. */
export function dayAfter(timeMs: number, days: number): number {
  return expiryBucket(timeMs + 1) + days * 86_400_000
}
