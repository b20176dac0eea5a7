/** A custodian's stores over a real ledger: a folder with a grant and a session, and submissions that are held. */
import { join } from 'node:path'
import { personFromSeeds } from '../../src/client/identity.ts'
import { accessEntryId, openBodyCodec } from '../../src/contracts/access-formats.ts'
import { accessCommitment, accessOpeningCodec, consentCommitment, consentOpeningCodec } from '../../src/contracts/consent-terms.ts'
import { consentId, expiryBucket, grantBodyCodec, revokeBodyCodec } from '../../src/contracts/consents-formats.ts'
import { createFolderCodec, folderId, type Label, labelCommitment } from '../../src/contracts/folders-formats.ts'
import { anchorBodyCodec, eraseBodyCodec, erasureMark } from '../../src/contracts/records-formats.ts'
import type { SigningKey } from '../../src/crypto/signature.ts'
import { folderSealingKey, ownerKey, ownerKeyHash } from '../../src/crypto/wallet.ts'
import { equalBytes, utf8 } from '../../src/encoding/bytes.ts'
import { taggedHash } from '../../src/encoding/hash.ts'
import { type DispersedBytes, disperseBytes } from '../../src/fragments/dispersal.ts'
import {
  classCommitment,
  sealedKeyHash,
  submissionRoot,
  uploadTicketBytes,
  uploadTicketCodec,
  type VersionMeta,
  wrapHash,
} from '../../src/fragments/formats.ts'
import { type FragmentStore, openFragmentStore } from '../../src/fragments/fragment-store.ts'
import { place } from '../../src/fragments/placement.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import type { KeyValueStore } from '../../src/ledger/store.ts'
import { countersign, createTransaction, type TransactionContent } from '../../src/ledger/transaction.ts'
import type { FrameChannel } from '../../src/network/frames.ts'
import type { Chain } from '../../src/node/chain.ts'
import { Damages } from '../../src/node/custodian/damages.ts'
import { Disputes } from '../../src/node/custodian/disputes.ts'
import { Emergencies } from '../../src/node/custodian/emergencies.ts'
import { ErasureService } from '../../src/node/custodian/erasure.ts'
import { ErasureReceipts } from '../../src/node/custodian/erasure-receipts.ts'
import { Holdings } from '../../src/node/custodian/holdings.ts'
import { type HeldVersion, Submissions } from '../../src/node/custodian/submissions.ts'
import { FolderDesk } from '../../src/node/custodian/wraps.ts'
import { custodiansAt, Directory } from '../../src/node/directory.ts'
import { Keyring } from '../../src/node/keyring.ts'
import type { Logger } from '../../src/node/logger.ts'
import { Notices } from '../../src/node/notices.ts'
import { genesisOf, nodeKeys, permitTo, seedOf, walletOf } from './cluster.ts'
import { nextBlock, openTestChain, temporary } from './ledger-fixture.ts'

export const HOUR = 3_600_000
export const CUSTODIAN = nodeKeys(2)
const CODE = { n: 4, k: 2 }
/** What a custodian takes in tests: more than they send. */
export const LIMITS = { stagedQuotaBytes: 2 ** 30, organisationQuotaBytes: 2 ** 40, maxVersionBytes: 2 ** 40 }
/** A disk that is never full. */
export const ROOMY = { reserve: () => () => undefined }
/** Index of the fragments held here. */
export const INDEX = 1
export const LABEL_SALT = seedOf('label salt')
const wallet = walletOf('patient')
export const owner = ownerKey(wallet.seed, 0)
const author = nodeKeys(0)
const readers = nodeKeys(1)
export const reader = personFromSeeds({
  organisation: readers.account,
  role: 'physician',
  signingSeed: seedOf('signing'),
  sealingSeed: seedOf('sealing'),
})

/** Log lines that are errors: each by its code. */
export type ErrorCodes = unknown[]

export interface Held {
  root: Uint8Array
  metas: VersionMeta[]
  dispersed: DispersedBytes[]
}

export interface ReadSession {
  entryId: Uint8Array
  consent: Uint8Array
  access: Uint8Array
  consentOpening: Uint8Array
}

export class CustodianWorld implements AsyncDisposable {
  /** Where its files are: `custody`, `fragments`, `keyring.json`, and the ledger's. */
  readonly dir: string
  readonly label: Label
  readonly folder: Uint8Array
  readonly clock: { now: number }
  readonly errors: ErrorCodes = []
  readonly logger: Logger
  readonly chain: Chain
  readonly directory: Directory
  readonly keyring: Keyring
  readonly custody: KeyValueStore
  readonly fragments: FragmentStore
  readonly submissions: Submissions
  readonly receipts: ErasureReceipts
  readonly desk: FolderDesk
  readonly papers: ReturnType<typeof papersOf>
  readonly emergencies: Emergencies
  /** What this custodian sent to others, and what they answer. */
  readonly sent: { peer: Uint8Array; request: Uint8Array }[] = []
  answer: () => Promise<Uint8Array> = async () => new Uint8Array(0)
  readonly #close: () => Promise<void>
  #acts = 0

  private constructor(
    dir: string,
    label: Label,
    chain: Chain,
    keyring: Keyring,
    custody: KeyValueStore,
    fragments: FragmentStore,
    close: () => Promise<void>,
  ) {
    this.dir = dir
    this.label = label
    this.chain = chain
    this.directory = new Directory(chain)
    this.keyring = keyring
    this.custody = custody
    this.fragments = fragments
    this.clock = { now: chain.tip.header.time + 2000 }
    this.folder = folderId(chain.chainId, ownerKeyHash(owner.publicKey))
    const quiet = (): void => undefined
    this.logger = { debug: quiet, info: quiet, warn: quiet, error: fields => void this.errors.push((fields as { code?: unknown }).code) }
    this.submissions = new Submissions(custody.sublevel('submissions'), keyring)
    const identity = { custodian: CUSTODIAN.account, accountKey: CUSTODIAN.signing }
    const now = (): number => this.clock.now
    this.receipts = new ErasureReceipts(identity, { chain, store: custody.sublevel('erasures'), now })
    this.papers = papersOf({ chain, keyring, store: custody, now })
    const damages = new Damages(custody.sublevel('damages'))
    const holdings = new Holdings({ chain, fragments, submissions: this.submissions, damages, now })
    this.emergencies = new Emergencies(
      { ...identity, sealingKey: CUSTODIAN.sealing },
      {
        ...{ chain, directory: this.directory, keyring, store: custody.sublevel('emergencies'), logger: this.logger, now },
        network: {
          networkKey: CUSTODIAN.network.publicKey,
          request: async (peer, _protocol, request) => {
            this.sent.push({ peer: peer as Uint8Array, request })
            return await this.answer()
          },
        },
        holders: (folder, memberHeight) => holdings.shares(folder, memberHeight),
      },
    )
    this.desk = new FolderDesk(identity, {
      chain,
      directory: this.directory,
      keyring,
      store: custody.sublevel('folders'),
      erasures: this.receipts,
      ...this.papers,
      emergencies: this.emergencies,
      now,
    })
    this.#close = close
  }

  static async open(label: Label = 'normal'): Promise<CustodianWorld> {
    const place = temporary()
    const { chain, ...ledger } = await openTestChain(join(place.dir, 'chain'), genesisOf())
    const custody = await openLevelStore(join(place.dir, 'custody'))
    const keyring = await Keyring.open(join(place.dir, 'keyring.json'), seedOf('master'))
    const fragments = await openFragmentStore({
      dir: join(place.dir, 'fragments'),
      store: custody.sublevel('fragments'),
      quotaBytes: 2 ** 30,
    })
    const world = new CustodianWorld(place.dir, label, chain, keyring, custody, fragments, async () => {
      world.directory.stop()
      await fragments.close()
      await custody.close()
      await ledger.store.close()
      place[Symbol.dispose]()
    })
    const body = createFolderCodec.encode({
      ownerKeyHash: ownerKeyHash(owner.publicKey),
      recoveryKeyHash: seedOf('recovery'),
      sealingKey: folderSealingKey(wallet.seed, 0, 0).publicKey,
      labelCommitment: labelCommitment(LABEL_SALT, label),
      policy: 0,
    })
    await world.commit('folders', 'create', body)
    return world
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
  }

  /** What carries out erasures here, once it is started. */
  erasures(): ErasureService {
    const { chain, fragments, submissions, keyring, receipts, desk, emergencies, logger } = this
    const sealed = [submissions, desk, emergencies]
    return new ErasureService({ chain, fragments, submissions, keyring, receipts, sealed, logger })
  }

  /** A block with one act; the clock goes with the chain. */
  async commit(contract: string, action: string, body: Uint8Array, by: 'author' | 'readers' | 'owner' = 'author'): Promise<void> {
    const [from, key]: [TransactionContent['from'], SigningKey] =
      by === 'owner'
        ? [{ kind: 'folder', id: this.folder }, owner]
        : [{ kind: 'account', id: (by === 'author' ? author : readers).account }, (by === 'author' ? author : readers).signing]
    // What an owner takes back goes without a sponsor.
    const sponsored = by === 'owner' && !['revoke', 'erase', 'deposit', 'withdraw'].includes(action)
    const content = {
      chainId: this.chain.chainId,
      from,
      contract,
      action,
      body,
      sponsor: sponsored ? author.account : null,
      nonce: seedOf('nonce', this.#acts++).slice(0, 16),
      validUntil: this.chain.tip.header.time + HOUR / 2,
    }
    const transaction = createTransaction(content, key)
    const block = nextBlock(this.chain, [sponsored ? countersign(transaction, author.signing) : transaction])
    if (block.transactions.length !== 1) throw new Error(`${contract}.${action} was refused`)
    await this.chain.accept(block)
    this.clock.now = Math.max(this.clock.now, block.header.time)
  }

  /** A block without acts, so long after the one before it. */
  async passTime(afterMs: number): Promise<void> {
    await this.chain.accept(nextBlock(this.chain, [], afterMs))
    this.clock.now = Math.max(this.clock.now, this.chain.tip.header.time)
  }

  /** Holds a submission of versions of these sizes, staged for an hour. */
  async hold(name: string, sizes: readonly number[]): Promise<Held> {
    const dispersed = sizes.map((size, i) => disperseBytes(pattern(size, `${name} ${i}`), CODE))
    const metas = dispersed.map(({ root }, i): VersionMeta => {
      const [sealedKey, salt] = [seedOf(`sealed key ${name}`, i), seedOf(`salt ${name}`, i)]
      const leaf = {
        recordId: seedOf(`record ${name}`, i),
        version: 1,
        dispersalRoot: root,
        commitment: seedOf('commitment', i),
        sealedKeyHash: sealedKeyHash(sealedKey),
        classCommitment: classCommitment(salt, 'laboratory', null),
      }
      return { leaf, sealedKey, salt, class: 'laboratory', dataTime: null, size: sizes[i] as number }
    })
    const root = submissionRoot(metas.map(({ leaf }) => leaf))
    const stagedUntil = this.clock.now + HOUR
    let bytes = 0
    const items = []
    const versions: HeldVersion[] = []
    for (const [i, { fragments, fragmentRoots }] of dispersed.entries()) {
      const meta = metas[i] as VersionMeta
      const fragment = fragments[INDEX] as Uint8Array
      const writer = this.fragments.begin({ dispersalRoot: meta.leaf.dispersalRoot, index: INDEX }, fragment.length)
      await writer.write(fragment)
      const fragmentRoot = fragmentRoots[INDEX] as Uint8Array
      items.push({ writer, expectedRoot: fragmentRoot })
      versions.push({ meta, fragmentRoots })
      bytes += fragment.length
    }
    await this.fragments.commitSubmission(items, { submissionRoot: root, stagedUntilMs: stagedUntil })
    const submission = {
      folder: this.folder,
      epoch: 0,
      index: INDEX,
      versions: sizes.length,
      ...CODE,
      memberHeight: 0,
      label: this.label,
      labelSalt: LABEL_SALT,
      sponsor: author.account,
      bytes,
      anchored: false,
      stagedUntil,
    }
    await this.submissions.put(root, submission, versions)
    return { root, metas, dispersed }
  }

  async anchor({ root }: Held): Promise<void> {
    const body = { folder: this.folder, epoch: 0, submissionRoot: root, sizeBucket: 30, ...CODE, memberHeight: 0 }
    await this.commit('records', 'anchor', anchorBodyCodec.encode(body))
  }

  async erase({ salt, leaf }: VersionMeta): Promise<void> {
    await this.commit('records', 'erase', eraseBodyCodec.encode({ marks: [erasureMark(salt, leaf.recordId, leaf.version)] }), 'owner')
  }

  /** A grant to the reader, and a session under it. */
  async session(lengthMs = HOUR / 2): Promise<ReadSession> {
    const opening = { salt: seedOf('salt'), folder: this.folder, provision: permitTo(reader) }
    const commitment = consentCommitment(opening)
    const expiry = expiryBucket(this.chain.tip.header.time + 30 * 24 * HOUR)
    const grant = { commitment, wrapHash: wrapHash(seedOf('wrap')), epoch: 0, expiry }
    await this.commit('consents', 'grant', grantBodyCodec.encode(grant), 'owner')
    const consent = consentId(this.folder, commitment)
    const access = {
      salt: seedOf('access salt'),
      folder: this.folder,
      reader: reader.signing.publicKey,
      role: reader.role,
      purpose: 'TREAT' as const,
      records: null,
    }
    const until = this.chain.tip.header.time + lengthMs
    const body = { folder: this.folder, consent, commitment: accessCommitment(access), until }
    await this.commit('access', 'open', openBodyCodec.encode(body), 'readers')
    const { height, time } = this.chain.tip.header
    const entryId = accessEntryId({
      folder: this.folder,
      index: 0,
      organisation: readers.account,
      consent,
      commitment: body.commitment,
      until,
      height,
      time,
    })
    return { entryId, consent, access: accessOpeningCodec.encode(access), consentOpening: consentOpeningCodec.encode(opening) }
  }

  /** Member that answers for uploads. */
  get sponsor(): Uint8Array {
    return author.account
  }

  /** What lets a submission of this size in here, and under which index. */
  ticket(root: Uint8Array, size: number, versions = 1): { ticket: Uint8Array; signature: Uint8Array; index: number } {
    const ticket = {
      folder: this.folder,
      epoch: 0,
      submissionRoot: root,
      versions,
      size,
      ...CODE,
      memberHeight: 0,
      labelSalt: LABEL_SALT,
      label: this.label,
      sponsor: this.sponsor,
      until: this.clock.now + HOUR,
    }
    const custodians = custodiansAt(this.chain.tip.tree, 0) ?? []
    const placed = place({ key: root, custodians, ...CODE, policy: null }).custodians
    const index = placed.findIndex(({ id }) => equalBytes(id, CUSTODIAN.account))
    return { ticket: uploadTicketCodec.encode(ticket), signature: author.signing.sign(uploadTicketBytes(ticket)), index }
  }

  async revoke({ consent }: ReadSession): Promise<void> {
    await this.commit('consents', 'revoke', revokeBodyCodec.encode({ consent }), 'owner')
  }
}

/** Bytes that differ from each other and from those of another seed. */
function pattern(length: number, seed: string): Uint8Array {
  const block = taggedHash('pattern', utf8(seed))
  return Uint8Array.from({ length }, (_, i) => (block[i % 32] as number) ^ (i >> 5) ^ (i >> 13))
}

/** A stream that hands each frame over only when it is asked for: the slowest reader there can be. */
export class SlowChannel implements FrameChannel {
  readonly peer: Uint8Array
  readonly #incoming: Uint8Array[]
  readonly #until: Promise<void> | undefined
  #offered: { bytes: Uint8Array; taken: () => void } | undefined
  #wake: (() => void) | undefined
  #ended = false
  aborted: Error | undefined

  /** With these frames from the peer, which then ends its half, or does so once `until` settles. */
  constructor(peer: Uint8Array, incoming: Uint8Array[], options: { until?: Promise<void> } = {}) {
    this.peer = peer
    this.#incoming = incoming
    this.#until = options.until
  }

  async send(bytes: Uint8Array): Promise<void> {
    if (this.aborted !== undefined) throw this.aborted
    await new Promise<void>(resolve => {
      this.#offered = { bytes, taken: resolve }
      this.#wake?.()
    })
  }

  async *frames(): AsyncGenerator<Uint8Array> {
    yield* this.#incoming
    await this.#until
  }

  /** The next frame that the other side sends; undefined once it has ended. */
  async take(): Promise<Uint8Array | undefined> {
    while (this.#offered === undefined && !this.#ended) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    const offered = this.#offered
    this.#offered = undefined
    offered?.taken()
    return offered?.bytes
  }

  /** Says that the other side has returned. */
  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  async closeWrite(): Promise<void> {}

  async close(): Promise<void> {}

  abort(error: Error): void {
    this.aborted = error
    this.end()
  }
}

/** Disputes and notices at the custodian. */
export function papersOf({ chain, keyring, store, now }: { chain: Chain; keyring: Keyring; store: KeyValueStore; now: () => number }) {
  return {
    disputes: new Disputes({ chain, keyring, store: store.sublevel('disputes') }),
    notices: new Notices({ account: CUSTODIAN.account }, { chain, keyring, store: store.sublevel('notices'), now }),
  }
}
