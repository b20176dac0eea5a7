/** One custodian with files of its own, which follows the ledger at its own pace: the services of a node, a virtual clock. */
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { accessOpeningCodec } from '../../src/contracts/consent-terms.ts'
import { emergencyOpeningCodec } from '../../src/contracts/emergency-formats.ts'
import { randomBytes } from '../../src/crypto/random.ts'
import { sealingKeyFromSeed } from '../../src/crypto/sealing.ts'
import type { SigningKey } from '../../src/crypto/signature.ts'
import { concat } from '../../src/encoding/bytes.ts'
import { domain } from '../../src/encoding/hash.ts'
import { readRequestBytes, readRequestCodec, sealingContext, shareCommitmentsHash } from '../../src/fragments/formats.ts'
import { openFragmentStore } from '../../src/fragments/fragment-store.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import { releaseRequestCodec } from '../../src/network/fragment-messages.ts'
import {
  FOLDER_ASK_DOMAIN,
  type FolderRequest,
  folderAskCodec,
  folderRequestCodec,
  SHARE_ASK_DOMAIN,
  shareAskCodec,
  shareResponseCodec,
} from '../../src/network/light-messages.ts'
import type { Chain } from '../../src/node/chain.ts'
import { Damages } from '../../src/node/custodian/damages.ts'
import { Emergencies } from '../../src/node/custodian/emergencies.ts'
import { ErasureReceipts } from '../../src/node/custodian/erasure-receipts.ts'
import { Holdings } from '../../src/node/custodian/holdings.ts'
import { ReleaseReceipts } from '../../src/node/custodian/receipts.ts'
import { ReleaseService } from '../../src/node/custodian/release.ts'
import { Submissions } from '../../src/node/custodian/submissions.ts'
import { FolderDesk } from '../../src/node/custodian/wraps.ts'
import { Directory } from '../../src/node/directory.ts'
import { Keyring } from '../../src/node/keyring.ts'
import type { Session, Version } from './access-world.ts'
import { type genesisOf, nodeKeys, seedOf } from './cluster.ts'
import { papersOf, SlowChannel } from './custodian-world.ts'
import { openTestChain } from './ledger-fixture.ts'

export const CODE = { n: 4, k: 2 }
export const LABEL_SALT = seedOf('label salt')
const PEER = seedOf('peer')
const quiet = (): void => undefined
const LOGGER = { debug: quiet, info: quiet, warn: quiet, error: quiet }

/** What a custodian needs of the world around it. */
export interface Surroundings {
  readonly dir: string
  readonly genesis: ReturnType<typeof genesisOf>
  readonly blocks: readonly Parameters<Chain['accept']>[0][]
  readonly now: number
}

export class Custodian {
  readonly number: number
  readonly dir: string
  /** What its clock is ahead of the world's, in ms. */
  readonly skewMs: number
  readonly #world: Surroundings
  #parts: Awaited<ReturnType<typeof openParts>> | undefined

  constructor(world: Surroundings, number: number, skewMs: number) {
    this.#world = world
    this.number = number
    this.skewMs = skewMs
    this.dir = join(world.dir, `custodian-${number}`)
  }

  get parts(): Awaited<ReturnType<typeof openParts>> {
    if (this.#parts === undefined) throw new Error('this custodian does not run')
    return this.#parts
  }

  get account(): Uint8Array {
    return nodeKeys(this.number).account
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

  async tell(request: FolderRequest): Promise<Uint8Array> {
    return await this.parts.desk.answer(folderRequestCodec.encode(request), PEER)
  }

  /** What a question to its desk is answered with. */
  async ask(key: SigningKey, folder: Uint8Array, consent: Uint8Array | null, rest: (ask: object) => FolderRequest): Promise<Uint8Array> {
    const content = folderAskCodec.encode({
      ...{ chainId: this.chain.chainId, folder, consent, custodian: this.account, peer: PEER, time: this.now() },
    })
    return await this.tell(rest({ content, key: key.publicKey, signature: key.sign(concat(domain(FOLDER_ASK_DOMAIN), content)) }))
  }

  /** Its share of a folder's key, for who breaks the glass. */
  async share({ entry, folder, access, reason }: Session, key: SigningKey) {
    const once = sealingKeyFromSeed(randomBytes(32))
    const { chainId } = this.chain
    const content = shareAskCodec.encode({
      ...{ chainId, folder: folder.id, entry, custodian: this.account, peer: PEER, time: this.now(), sealingKey: once.publicKey },
    })
    const signature = key.sign(concat(domain(SHARE_ASK_DOMAIN), content))
    const opening = emergencyOpeningCodec.encode({ access, reason: reason ?? 'unconscious' })
    const answer = await this.tell({ type: 'get-share', value: { content, key: key.publicKey, signature, opening } })
    const { position, commitments, sealed, past } = shareResponseCodec.decode(answer)
    const hash = shareCommitmentsHash(commitments)
    const share = once.open(sealed, sealingContext.emergencyRelease(chainId, entry, hash, position))
    return { position, share, commitments, hash, past }
  }

  /** Asks for a version by this key; the channel gives its frames as they are taken. */
  read(session: Session, key: SigningKey, { root }: Version): { channel: SlowChannel; served: Promise<void> } {
    const { entry, consent, access, folder, reason } = session
    const request = {
      ...{ chainId: this.chain.chainId, entry, folder: folder.id, custodian: this.account, peer: PEER },
      ...{ time: this.now(), submissionRoot: root, leaves: [0], firstChunk: 0 },
    }
    const frame = releaseRequestCodec.encode({
      request: readRequestCodec.encode(request),
      signature: key.sign(readRequestBytes(request)),
      accessOpening: accessOpeningCodec.encode(access),
      consentOpening: consent?.opening ?? null,
      reason,
    })
    const channel = new SlowChannel(PEER, [frame])
    const served = this.parts.release.serve(channel)
    void served.finally(() => channel.end())
    return { channel, served }
  }

  /** Takes a version as an upload leaves it, until its anchor comes. */
  async stage({ folder, epoch, root, meta, pieces }: Version): Promise<void> {
    const { fragments, submissions } = this.parts
    const fragment = pieces.fragments[this.number] as Uint8Array
    const stagedUntil = this.now() + 3_600_000
    const writer = fragments.begin({ dispersalRoot: meta.leaf.dispersalRoot, index: this.number }, fragment.length)
    await writer.write(fragment)
    const expectedRoot = pieces.fragmentRoots[this.number] as Uint8Array
    await fragments.commitSubmission([{ writer, expectedRoot }], { submissionRoot: root, stagedUntilMs: stagedUntil })
    const held = { folder: folder.id, epoch, index: this.number, versions: 1, ...CODE, memberHeight: 0, label: folder.label }
    const rest = { labelSalt: LABEL_SALT, sponsor: nodeKeys(0).account, bytes: fragment.length, anchored: false, stagedUntil }
    await submissions.put(root, { ...held, ...rest }, [{ meta, fragmentRoots: [...pieces.fragmentRoots] }])
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
  const { account, signing, sealing } = nodeKeys(number)
  const identity = { custodian: account, accountKey: signing }
  const directory = new Directory(chain)
  const erasures = new ErasureReceipts(identity, { chain, store: custody.sublevel('erasures'), now })
  const holdings = new Holdings({ chain, fragments, submissions, damages: new Damages(custody.sublevel('damages')), now })
  const emergencies = new Emergencies(
    { ...identity, sealingKey: sealing },
    {
      ...{ chain, directory, keyring, store: custody.sublevel('emergencies'), logger: LOGGER, now },
      network: { networkKey: PEER, request: async () => await Promise.reject(new Error('nothing is handed on here')) },
      holders: (folder, memberHeight) => holdings.shares(folder, memberHeight),
    },
  )
  const papers = papersOf({ chain, keyring, store: custody, now })
  const papersStore = custody.sublevel('folders')
  const desk = new FolderDesk(identity, { chain, directory, keyring, store: papersStore, erasures, ...papers, emergencies, now })
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
