/** Custodians that follow one ledger each at its own pace, a patient, and readers who keep all that they ever got: real code, a virtual clock. */
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Person, personFromSeeds, type SeededPerson } from '../../src/client/identity.ts'
import { contentOf } from '../../src/client/record-object.ts'
import { accessEntryId, openBodyCodec } from '../../src/contracts/access-formats.ts'
import {
  type AccessOpening,
  accessCommitment,
  accessOpeningCodec,
  consentCommitment,
  consentOpeningCodec,
  type RecordClass,
} from '../../src/contracts/consent-terms.ts'
import { consentId, expiryBucket, grantBodyCodec, revokeBodyCodec } from '../../src/contracts/consents-formats.ts'
import { advanceFolderCodec, createFolderCodec, folderId, labelCommitment, rotateFolderCodec } from '../../src/contracts/folders-formats.ts'
import { anchorBodyCodec, eraseBodyCodec, erasureMark } from '../../src/contracts/records-formats.ts'
import { encryptObject } from '../../src/crypto/object-stream.ts'
import { seal } from '../../src/crypto/sealing.ts'
import type { SigningKey } from '../../src/crypto/signature.ts'
import { folderSealingKey, folderSealingSeed, ownerKey, ownerKeyHash } from '../../src/crypto/wallet.ts'
import { concat, utf8 } from '../../src/encoding/bytes.ts'
import { domain } from '../../src/encoding/hash.ts'
import { disperseBytes } from '../../src/fragments/dispersal.ts'
import {
  classCommitment,
  readRequestBytes,
  readRequestCodec,
  sealedKeyHash,
  sealingContext,
  submissionRoot,
  type VersionMeta,
  wrapHash,
} from '../../src/fragments/formats.ts'
import { openFragmentStore } from '../../src/fragments/fragment-store.ts'
import { pastKeysHash, sealPastKeys } from '../../src/fragments/past-keys.ts'
import type { Block } from '../../src/ledger/block.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import { countersign, createTransaction, type TransactionContent } from '../../src/ledger/transaction.ts'
import { releaseRequestCodec } from '../../src/network/fragment-messages.ts'
import { FOLDER_ASK_DOMAIN, type FolderRequest, folderAskCodec, folderRequestCodec } from '../../src/network/light-messages.ts'
import type { Chain } from '../../src/node/chain.ts'
import { ErasureReceipts } from '../../src/node/custodian/erasure-receipts.ts'
import { ReleaseReceipts } from '../../src/node/custodian/receipts.ts'
import { ReleaseService } from '../../src/node/custodian/release.ts'
import { Submissions } from '../../src/node/custodian/submissions.ts'
import { FolderDesk } from '../../src/node/custodian/wraps.ts'
import { Directory } from '../../src/node/directory.ts'
import { Keyring } from '../../src/node/keyring.ts'
import { genesisOf, nodeKeys, permitTo, seedOf, walletOf } from './cluster.ts'
import { papersOf, SlowChannel } from './custodian-world.ts'
import { nextBlock, openTestChain, type TestChain, temporary } from './ledger-fixture.ts'

export const CODE = { n: 4, k: 2 }
const PEER = seedOf('peer')
const LABEL_SALT = seedOf('label salt')
const quiet = (): void => undefined
const LOGGER = { debug: quiet, info: quiet, warn: quiet, error: quiet }

/** A folder, and what its owner knows of it. */
export interface Folder {
  id: Uint8Array
  /** Index of the wallet's keys under which it was opened: those of its sealing keys. */
  index: number
  /** Index of its owner key now. */
  ownerIndex: number
  epoch: number
}

export interface Consent {
  id: Uint8Array
  folder: Folder
  party: number
  commitment: Uint8Array
  opening: Uint8Array
}

export interface Session {
  entry: Uint8Array
  consent: Consent
  access: AccessOpening
}

export interface Version {
  folder: Folder
  epoch: number
  root: Uint8Array
  meta: VersionMeta
  plaintext: Uint8Array
}

/** One custodian with files of its own. */
export class Custodian {
  readonly number: number
  readonly dir: string
  /** What its clock is ahead of the world's, in ms. */
  readonly skewMs: number
  readonly #world: AccessWorld
  #parts: Awaited<ReturnType<typeof openParts>> | undefined

  constructor(world: AccessWorld, number: number, skewMs: number) {
    this.#world = world
    this.number = number
    this.skewMs = skewMs
    this.dir = join(world.dir, `custodian-${number}`)
  }

  get parts(): Awaited<ReturnType<typeof openParts>> {
    if (this.#parts === undefined) throw new Error('this custodian does not run')
    return this.#parts
  }

  now(): number {
    return this.#world.now + this.skewMs
  }

  get chain(): Chain {
    return this.parts.chain
  }

  async open(): Promise<void> {
    this.#parts = await openParts(this, this.#world.genesis)
  }

  async close(): Promise<void> {
    const parts = this.#parts
    this.#parts = undefined
    await parts?.close()
  }

  /** Starts anew from what is on its disk. */
  async restart(): Promise<void> {
    await this.close()
    await this.open()
  }

  async backUp(): Promise<void> {
    await this.close()
    await rm(`${this.dir}.copy`, { recursive: true, force: true })
    await cp(this.dir, `${this.dir}.copy`, { recursive: true })
    await this.open()
  }

  /** Goes back to the last copy, the ledger included, and serves from it at once: less than a node would wait for. */
  async restore(): Promise<void> {
    await this.close()
    await rm(this.dir, { recursive: true, force: true })
    await cp(`${this.dir}.copy`, this.dir, { recursive: true })
    await this.open()
  }

  /** Applies up to so many blocks that it has not yet. */
  async apply(count: number): Promise<void> {
    const { height } = this.chain.tip.header
    for (const block of this.#world.blocks.slice(height, height + count)) await this.chain.accept(block)
  }

  /** What a question to its desk is answered with. */
  async ask(key: SigningKey, folder: Uint8Array, consent: Uint8Array | null, rest: (ask: object) => FolderRequest): Promise<Uint8Array> {
    const content = folderAskCodec.encode({
      ...{ chainId: this.chain.chainId, folder, consent, custodian: nodeKeys(this.number).account, peer: PEER, time: this.now() },
    })
    const ask = { content, key: key.publicKey, signature: key.sign(concat(domain(FOLDER_ASK_DOMAIN), content)) }
    return await this.parts.desk.answer(folderRequestCodec.encode(rest(ask)), PEER)
  }

  /** Asks for a version; the channel gives its frames as they are taken. */
  read(person: SeededPerson, { entry, consent, access }: Session, { root }: Version): { channel: SlowChannel; served: Promise<void> } {
    const request = {
      ...{ chainId: this.chain.chainId, entry, folder: consent.folder.id, custodian: nodeKeys(this.number).account, peer: PEER },
      ...{ time: this.now(), submissionRoot: root, leaves: [0], firstChunk: 0 },
    }
    const frame = releaseRequestCodec.encode({
      request: readRequestCodec.encode(request),
      signature: person.signing.sign(readRequestBytes(request)),
      accessOpening: accessOpeningCodec.encode(access),
      consentOpening: consent.opening,
      reason: null,
    })
    const channel = new SlowChannel(PEER, [frame])
    const served = this.parts.release.serve(channel)
    void served.finally(() => channel.end())
    return { channel, served }
  }

  /** Takes a version as an upload leaves it, until its anchor comes. */
  async stage({ folder, epoch, root, meta }: Version, fragment: Uint8Array, fragmentRoots: readonly Uint8Array[]): Promise<void> {
    const { fragments, submissions } = this.parts
    const stagedUntil = this.now() + 3_600_000
    const writer = fragments.begin({ dispersalRoot: meta.leaf.dispersalRoot, index: this.number }, fragment.length)
    await writer.write(fragment)
    const expectedRoot = fragmentRoots[this.number] as Uint8Array
    await fragments.commitSubmission([{ writer, expectedRoot }], { submissionRoot: root, stagedUntilMs: stagedUntil })
    const held = { folder: folder.id, epoch, index: this.number, versions: 1, ...CODE, memberHeight: 0, label: 'normal' as const }
    const rest = { labelSalt: LABEL_SALT, sponsor: nodeKeys(0).account, bytes: fragment.length, anchored: false, stagedUntil }
    await submissions.put(root, { ...held, ...rest }, [{ meta, fragmentRoots: [...fragmentRoots] }])
  }
}

async function openParts(custodian: Custodian, genesis: ReturnType<typeof genesisOf>) {
  const { dir, number } = custodian
  const now = (): number => custodian.now()
  const { chain, store } = await openTestChain(join(dir, 'chain'), genesis)
  const custody = await openLevelStore(join(dir, 'custody'))
  const keyring = await Keyring.open(join(dir, 'keyring.json'), seedOf('master', number))
  const fragments = await openFragmentStore({
    dir: join(dir, 'fragments'),
    store: custody.sublevel('fragments'),
    quotaBytes: 2 ** 30,
  })
  const submissions = new Submissions(custody.sublevel('submissions'), keyring)
  const identity = { custodian: nodeKeys(number).account, accountKey: nodeKeys(number).signing }
  const directory = new Directory(chain)
  const erasures = new ErasureReceipts(identity, { chain, store: custody.sublevel('erasures'), now })
  const papers = papersOf({ chain, keyring, store: custody, now })
  const desk = new FolderDesk(identity, { chain, directory, keyring, store: custody.sublevel('folders'), erasures, ...papers, now })
  await desk.start()
  const onCorrupt = async (): Promise<void> => undefined
  const receipts = new ReleaseReceipts(custody.sublevel('folders'))
  const release = new ReleaseService(identity, { chain, fragments, submissions, onCorrupt, desk, logger: LOGGER, now })
  const close = async (): Promise<void> => {
    directory.stop()
    await fragments.close()
    await custody.close()
    await store.close()
  }
  return { chain, fragments, submissions, desk, receipts, release, close }
}

export class AccessWorld implements AsyncDisposable {
  readonly dir: string
  readonly genesis = genesisOf({}, { folderQuota: 1000 })
  readonly wallet = walletOf('patient')
  readonly custodians: Custodian[]
  /** Readers, each of another member. */
  readonly parties: Person[] = [1, 2, 3].map(member =>
    personFromSeeds({
      organisation: nodeKeys(member).account,
      role: 'physician',
      signingSeed: seedOf('signing', member),
      sealingSeed: seedOf('sealing', member),
    }),
  )
  /** All blocks so far, from height 1 on. */
  readonly blocks: Block[] = []
  /** Time in the world, in ms. */
  now = 0
  /** Every wrap that was ever made, whether the ledger names it or not. */
  readonly wraps: { party: number; folder: Folder; epoch: number; commitment: Uint8Array; wrap: Uint8Array }[] = []
  readonly #place: ReturnType<typeof temporary>
  #ledger: TestChain | undefined
  #made = 0

  private constructor(place: ReturnType<typeof temporary>, skews: readonly number[]) {
    this.#place = place
    this.dir = place.dir
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

  /** Something that was not there before. */
  fresh(name: string): Uint8Array {
    return seedOf(name, this.#made++)
  }

  /** A block of now, with this act or none. It is nobody's yet but the ledger's. */
  async commit(act?: { contract: string; action: string; body: Uint8Array; by: Folder | number; sponsored?: boolean }): Promise<void> {
    const { ledger } = this
    const transactions = []
    if (act !== undefined) {
      const { contract, action, body, by, sponsored = false } = act
      const [from, key]: [TransactionContent['from'], SigningKey] =
        typeof by === 'number'
          ? [{ kind: 'account', id: nodeKeys(by).account }, nodeKeys(by).signing]
          : [{ kind: 'folder', id: by.id }, this.ownerKey(by)]
      const content = {
        ...{ chainId: ledger.chainId, from, contract, action, body, sponsor: sponsored ? nodeKeys(0).account : null },
        ...{ nonce: this.fresh('nonce').slice(0, 16), validUntil: ledger.tip.header.time + 1_800_000 },
      }
      const transaction = createTransaction(content, key)
      transactions.push(sponsored ? countersign(transaction, nodeKeys(0).signing) : transaction)
    }
    this.now = Math.max(this.now, ledger.tip.header.time + 1)
    const block = nextBlock(ledger, transactions, this.now - ledger.tip.header.time)
    if (block.transactions.length !== transactions.length) throw new Error(`${act?.contract}.${act?.action} was refused`)
    await ledger.accept(block)
    this.blocks.push(block)
  }

  ownerKey(folder: Folder): SigningKey {
    return ownerKey(this.wallet.seed, folder.ownerIndex)
  }

  async createFolder(index: number): Promise<Folder> {
    const hash = ownerKeyHash(ownerKey(this.wallet.seed, index).publicKey)
    const body = createFolderCodec.encode({
      ownerKeyHash: hash,
      recoveryKeyHash: seedOf('recovery', index),
      sealingKey: folderSealingKey(this.wallet.seed, index, 0).publicKey,
      labelCommitment: labelCommitment(LABEL_SALT, 'normal'),
      policy: 0,
    })
    await this.commit({ contract: 'folders', action: 'create', body, by: 0 })
    return { id: folderId(this.ledger.chainId, hash), index, ownerIndex: index, epoch: 0 }
  }

  /** Writes a version and anchors it. */
  async put(folder: Folder, recordClass: RecordClass, plaintext: Uint8Array): Promise<Version> {
    const [dek, objectSalt, recordId, salt] = [this.fresh('dek'), this.fresh('object'), this.fresh('record'), this.fresh('salt')]
    const pieces: Uint8Array[] = []
    for await (const piece of encryptObject(dek, objectSalt, contentOf(plaintext).open(), plaintext.length))
      pieces.push(Uint8Array.from(piece))
    const { fragments, fragmentRoots, root: dispersalRoot } = disperseBytes(concat(...pieces), CODE)
    const { chainId } = this.ledger
    const context = sealingContext.versionKey(chainId, folder.id, folder.epoch, recordId, 1)
    const sealedKey = seal(folderSealingKey(this.wallet.seed, folder.index, folder.epoch).publicKey, dek, context)
    const leaf = {
      ...{ recordId, version: 1, dispersalRoot, commitment: seedOf('commitment'), sealedKeyHash: sealedKeyHash(sealedKey) },
      classCommitment: classCommitment(salt, recordClass, null),
    }
    const size = concat(...pieces).length
    const meta: VersionMeta = { leaf, sealedKey, salt, class: recordClass, dataTime: null, size }
    const version = { folder, epoch: folder.epoch, root: submissionRoot([leaf]), meta, plaintext }
    for (const custodian of this.custodians) {
      await custodian.stage(version, fragments[custodian.number] as Uint8Array, fragmentRoots)
    }
    const body = { folder: folder.id, epoch: folder.epoch, submissionRoot: version.root, sizeBucket: 30, ...CODE, memberHeight: 0 }
    await this.commit({ contract: 'records', action: 'anchor', body: anchorBodyCodec.encode(body), by: 0 })
    return version
  }

  #wrap(folder: Folder, epoch: number, party: number, commitment: Uint8Array): Uint8Array {
    const context = sealingContext.grant(this.ledger.chainId, folder.id, epoch, commitment)
    const wrap = seal((this.parties[party] as Person).sealing.publicKey, folderSealingSeed(this.wallet.seed, folder.index, epoch), context)
    this.wraps.push({ party, folder, epoch, commitment, wrap })
    return wrap
  }

  /** Leaves something with every custodian that takes it: one that is behind knows no such folder or owner yet. */
  async #leave(folder: Folder, consent: Uint8Array | null, rest: (ask: object) => FolderRequest): Promise<void> {
    for (const custodian of this.custodians) await custodian.ask(this.ownerKey(folder), folder.id, consent, rest).catch(quiet)
  }

  async #leaveWrap(folder: Folder, { id, opening }: Pick<Consent, 'id' | 'opening'>, wrap: Uint8Array): Promise<void> {
    const value = { opening, wrap, note: utf8('a note') }
    await this.#leave(folder, id, ask => ({ type: 'put-wrap', value: { ...ask, ...value } }) as FolderRequest)
  }

  async grant(folder: Folder, party: number, terms: { classes: RecordClass[]; end: number }): Promise<Consent> {
    const person = this.parties[party] as Person
    const validity = { start: this.now - 1000, end: terms.end }
    const provision = permitTo(person, { classes: terms.classes, validity })
    const opened = { salt: this.fresh('consent'), folder: folder.id, provision }
    const commitment = consentCommitment(opened)
    const consent = { id: consentId(folder.id, commitment), folder, party, commitment, opening: consentOpeningCodec.encode(opened) }
    const wrap = this.#wrap(folder, folder.epoch, party, commitment)
    await this.#leaveWrap(folder, consent, wrap)
    const expiry = expiryBucket(Math.max(terms.end, this.now + 1))
    const body = grantBodyCodec.encode({ commitment, wrapHash: wrapHash(wrap), epoch: folder.epoch, expiry })
    await this.commit({ contract: 'consents', action: 'grant', body, by: folder, sponsored: true })
    return consent
  }

  async revoke({ id, folder }: Consent): Promise<void> {
    await this.commit({ contract: 'consents', action: 'revoke', body: revokeBodyCodec.encode({ consent: id }), by: folder })
  }

  /** A new epoch, which ends some consents and takes others along. */
  async advance(folder: Folder, revoke: readonly Consent[], along: readonly Consent[]): Promise<void> {
    const epoch = folder.epoch + 1
    const { chainId } = this.ledger
    const { publicKey } = folderSealingKey(this.wallet.seed, folder.index, epoch)
    const seeds = Array.from({ length: epoch }, (_, i) => folderSealingSeed(this.wallet.seed, folder.index, i))
    const sealed = sealPastKeys(publicKey, seeds, { chainId, folder: folder.id, epoch })
    await this.#leave(folder, null, ask => ({ type: 'put-past', value: { ...ask, epoch, sealed } }) as FolderRequest)
    const rewraps = []
    for (const consent of along) {
      const wrap = this.#wrap(folder, epoch, consent.party, consent.commitment)
      await this.#leaveWrap(folder, consent, wrap)
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

  /** A line in the log, by the reader's organisation. */
  async openSession(consent: Consent, lengthMs: number, index: number): Promise<Session & { until: number }> {
    const { folder, party } = consent
    const { organisation, role, signing } = this.parties[party] as Person
    const access: AccessOpening = {
      ...{ salt: this.fresh('access'), folder: folder.id, reader: signing.publicKey, role, purpose: 'TREAT', records: null },
    }
    const until = Math.max(this.now, this.ledger.tip.header.time) + lengthMs
    const commitment = accessCommitment(access)
    const body = openBodyCodec.encode({ folder: folder.id, consent: consent.id, commitment, until })
    await this.commit({ contract: 'access', action: 'open', body, by: party + 1 })
    const { height, time } = this.ledger.tip.header
    const entry = accessEntryId({ folder: folder.id, index, organisation, consent: consent.id, commitment, until, height, time })
    return { entry, consent, access, until }
  }
}
