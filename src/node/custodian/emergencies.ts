/**
 * What a custodian keeps for break-glass: its share of a folder's key, and the sealed outcomes of reviews. Both are proven right by
 * what the ledger has, so that it does not matter who brings them; nothing else is kept, and no more than the ledger names.
 */
import { accessOpeningCodec } from '../../contracts/consent-terms.ts'
import { type Deposit, depositCodec, emergencyCodec, emergencyOpeningCodec, standingDeposit } from '../../contracts/emergency-formats.ts'
import { type Folder, labelCommitment, labelSchema } from '../../contracts/folders-formats.ts'
import type { Organisation } from '../../contracts/members-formats.ts'
import { sessionDecision } from '../../contracts/release-decision.ts'
import { isEmergencyEntry } from '../../contracts/release-emergency.ts'
import { readSessionFacts } from '../../contracts/release-facts.ts'
import { NAMESPACE, stateKey } from '../../contracts/state-keys.ts'
import { type SealingKey, seal } from '../../crypto/sealing.ts'
import { isTrueShare, shareCommitmentsCodec, shareSchema } from '../../crypto/secret-sharing.ts'
import { type SigningKey, verifySignature } from '../../crypto/signature.ts'
import { concat, equalBytes, toHex } from '../../encoding/bytes.ts'
import { EpioneError, errorCode } from '../../encoding/errors.ts'
import { domain } from '../../encoding/hash.ts'
import { byteString, codec, hash32, type Infer, integer, struct } from '../../encoding/schema.ts'
import {
  releaseOpeningsCodec,
  releaseReceiptBytes,
  releaseReceiptCodec,
  sealedReviewHash,
  sealingContext,
  shareCommitmentsHash,
} from '../../fragments/formats.ts'
import type { StateReader } from '../../ledger/state-tree.ts'
import type { KeyValueStore } from '../../ledger/store.ts'
import {
  FOLDER_ASK_DOMAIN,
  type FolderRequest,
  folderAskCodec,
  folderRequestCodec,
  heldShareResponseCodec,
  reviewResponseCodec,
  SHARE_ASK_DOMAIN,
  shareAskCodec,
  shareResponseCodec,
} from '../../network/light-messages.ts'
import type { Network } from '../../network/network.ts'
import { PROTOCOL } from '../../network/protocols.ts'
import type { Chain, CommittedBlock } from '../chain.ts'
import type { Directory } from '../directory.ts'
import { folderAt, notFound } from '../folder-facts.ts'
import type { Keyring } from '../keyring.ts'
import type { Logger } from '../logger.ts'
import { reach, reachEntry, requireFresh } from './access-lines.ts'
import { fits, type Place } from './clock-check.ts'
import type { ReleaseSubject } from './receipts.ts'

const SHARE = Uint8Array.of(1)
const REVIEW = Uint8Array.of(2)
/** How long a custodian that came in this one's place may take for a share, in ms. */
const HAND_ON_MS = 5_000

const heldShareCodec = codec(
  struct({
    position: integer(254),
    share: shareSchema,
    commitments: byteString(shareCommitmentsCodec.maxBytes),
    label: labelSchema,
    /** Opens the folder's commitment to the label. */
    labelSalt: hash32,
  }),
  20 * 1024,
)
type HeldShare = Infer<typeof heldShareCodec>

type Request<T extends FolderRequest['type']> = Extract<FolderRequest, { type: T }>['value']

/** What opens a folder's epochs before one, where it is here. */
export type PastOf = (folder: Uint8Array, epoch: number) => Promise<Uint8Array | null>

/** What the release of a share needs of what else is kept for the folder. */
export interface ShareHelp {
  readonly keepReceipt: KeepReceipt
  readonly pastOf: PastOf
}

/** Keeps a signed receipt for the folder's owner; on disk once it settles. */
export type KeepReceipt = (
  folder: Uint8Array,
  time: number,
  receipt: Uint8Array,
  signature: Uint8Array,
  subject: ReleaseSubject,
) => Promise<void>

export interface EmergenciesOptions {
  custodian: Uint8Array
  accountKey: SigningKey
  /** The organisation's sealing key, to which shares come sealed. */
  sealingKey: SealingKey
}

export interface EmergenciesDependencies {
  chain: Chain
  directory: Directory
  network: Pick<Network, 'request' | 'networkKey'>
  keyring: Keyring
  store: KeyValueStore
  /** Account ids of the custodians that are to hold a folder's shares today, by position, where these were placed at that height. */
  holders: (folder: Uint8Array, memberHeight: number) => readonly (Uint8Array | undefined)[] | undefined
  logger: Logger
  now: () => number
}

export class Emergencies {
  readonly #options: EmergenciesOptions
  readonly #deps: EmergenciesDependencies

  constructor(options: EmergenciesOptions, dependencies: EmergenciesDependencies) {
    this.#options = options
    this.#deps = dependencies
  }

  /**
   * Takes a share for this custodian, once the ledger has its deposit.
   * @throws EpioneError `not-found` where it has not, or the share is for somebody else; `share-false`
   */
  async putShare({ folder, position, label, labelSalt, commitments, sealed }: Request<'put-share'>): Promise<void> {
    const { chain, keyring, store, holders } = this.#deps
    const hash = shareCommitmentsHash(commitments)
    const deposit = await reach(chain, () => {
      const found = depositAt(chain.tip.tree, folder)
      return found !== undefined && equalBytes(found.commitments, hash) ? found : undefined
    })
    const state = folderAt(chain.tip.tree, folder)
    if (deposit === undefined || state === undefined || !isEmergencySummary(state, { label, labelSalt })) throw notFound()
    const own = holders(folder, deposit.memberHeight)?.[position]
    if (own === undefined || !equalBytes(own, this.#options.custodian)) throw notFound()
    if ((await this.#held(folder, deposit)) !== undefined) return
    const parsed = shareCommitmentsCodec.decode(commitments)
    const { n, k } = chain.parameters
    if (parsed.threshold !== k || parsed.shares.length !== n) {
      throw new EpioneError('share-false', `This network keeps ${n} shares of a folder's key, of which ${k} give it.`)
    }
    const context = sealingContext.emergencyShare(chain.chainId, folder, deposit.epoch, hash, position)
    const share = this.#options.sealingKey.open(sealed, context)
    if (!isTrueShare({ position, share }, parsed)) {
      throw new EpioneError('share-false', 'The share does not fit the commitments that came with it.', { metadata: { position } })
    }
    const key = concat(SHARE, folder)
    const plain = heldShareCodec.encode({ position, share, commitments, label, labelSalt })
    await keyring.within(folder, async () => {
      await store.batch([{ type: 'put', key, value: keyring.seal(folder, plain, key) }], { sync: true })
    })
  }

  /** The share of the deposit that the ledger has now; undefined where it is not here. */
  async #held(folder: Uint8Array, deposit: Deposit): Promise<HeldShare | undefined> {
    const { keyring, store } = this.#deps
    const key = concat(SHARE, folder)
    const value = await store.get(key)
    if (value === undefined) return undefined
    let held: HeldShare
    try {
      held = heldShareCodec.decode(keyring.open(value, key))
    } catch (error) {
      // A custody without its keyring: the share is lost, and another may take its place.
      if (errorCode(error) === 'forgotten') return undefined
      throw error
    }
    return equalBytes(shareCommitmentsHash(held.commitments), deposit.commitments) ? held : undefined
  }

  async #forget(folder: Uint8Array): Promise<void> {
    const { keyring, store } = this.#deps
    await keyring.within(folder, async () => await store.batch([{ type: 'del', key: concat(SHARE, folder) }], { sync: true }))
  }

  /** Which share is here, for the owner, whom the caller has made out. */
  async whichShare(folder: Uint8Array): Promise<Uint8Array> {
    const deposit = depositAt(this.#deps.chain.tip.tree, folder)
    const held = deposit === undefined ? undefined : await this.#held(folder, deposit)
    return heldShareResponseCodec.encode(
      held === undefined ? null : { position: held.position, commitments: shareCommitmentsHash(held.commitments) },
    )
  }

  /**
   * Releases the share to whom an access entry of break-glass names, sealed to the key that they ask with. The receipt is on disk first.
   * @throws EpioneError `not-found` whatever is wrong with it; `stale`, `behind`
   */
  async getShare(request: Request<'get-share'>, place: Place, { keepReceipt, pastOf }: ShareHelp): Promise<Uint8Array> {
    const { chain, now } = this.#deps
    const ask = shareAskCodec.decode(request.content)
    const { access, reason } = emergencyOpeningCodec.decode(request.opening)
    const isSigned = verifySignature(request.key, concat(domain(SHARE_ASK_DOMAIN), request.content), request.signature)
    if (!fits(ask, place) || !isSigned || !equalBytes(access.reader, request.key)) throw notFound()
    const entry = await reachEntry(chain, ask.entry)
    const { tip } = chain
    requireFresh(tip, this.#deps)
    const { folder: folderId, entry: entryId } = ask
    const session = readSessionFacts(tip.tree, {
      ...{ timeMs: tip.header.time, folderId, entryId, entry, accessOpening: access, consentOpening: null, reason },
    })
    const { folder, emergency } = session
    const deposit = emergency?.deposit ?? null
    if (!isEmergencyEntry(entry) || !sessionDecision(session).permitted || folder === null || deposit === null) throw notFound()
    const held = await this.#held(folderId, deposit)
    if (held === undefined || !isEmergencySummary(folder, held)) throw notFound()
    const openings = releaseOpeningsCodec.encode({ access: accessOpeningCodec.encode(access), consent: null, reason })
    const receipt = {
      chainId: chain.chainId,
      entry: entryId,
      folder: folderId,
      custodian: this.#options.custodian,
      submissionRoot: deposit.commitments,
      leaves: [],
      listed: false,
      height: tip.header.height,
      time: now(),
      sealedOpening: seal(folder.sealingKey, openings, sealingContext.releaseOpening(chain.chainId, folderId, entryId)),
    }
    const signature = this.#options.accountKey.sign(releaseReceiptBytes(receipt))
    await keepReceipt(folderId, receipt.time, releaseReceiptCodec.encode(receipt), signature, receipt)
    const context = sealingContext.emergencyRelease(chain.chainId, entryId, deposit.commitments, held.position)
    const { position, commitments, share } = held
    const past = deposit.epoch === 0 ? null : await pastOf(folderId, deposit.epoch)
    return shareResponseCodec.encode({ position, commitments, sealed: seal(ask.sealingKey, share, context), past })
  }

  /** Takes the outcome of a review, once the ledger names it. @throws EpioneError `not-found` */
  async putReview({ folder, entry, sealed }: Request<'put-review'>): Promise<void> {
    const { chain, store } = this.#deps
    const hash = sealedReviewHash(sealed)
    const isNamed = await reach(chain, () => {
      const value = chain.tip.tree.get(stateKey.emergency(folder, entry))
      const review = value === undefined ? null : emergencyCodec.decode(value).review
      return review !== null && equalBytes(review.sealedHash, hash) ? true : undefined
    })
    if (isNamed === undefined) throw notFound()
    await store.batch([{ type: 'put', key: concat(REVIEW, folder, entry), value: sealed }], { sync: true })
  }

  /** The sealed outcome of a review, for the owner, whom the caller has made out. @throws EpioneError `not-found` */
  async getReview(folder: Uint8Array, entry: Uint8Array): Promise<Uint8Array> {
    const sealed = await this.#deps.store.get(concat(REVIEW, folder, entry))
    if (sealed === undefined) throw notFound()
    return reviewResponseCodec.encode({ sealed })
  }

  /** Forgets shares that a block made worthless: the owner took them back, or left others. */
  async settle(block: CommittedBlock): Promise<void> {
    for (const { key, value } of block.candidate.changes) {
      if (key[0] !== NAMESPACE.emergencyDeposit) continue
      const folder = key.slice(1)
      const deposit = value === null ? null : standingDeposit(depositCodec.decode(value))
      const held = deposit === null ? undefined : await this.#held(folder, deposit)
      if (held === undefined) await this.#forget(folder)
    }
  }

  /**
   * Hands shares on whose places went to others, with what opens the past, and forgets them then. What cannot be handed on now stays, for the
   * next time.
   */
  async handOn({ pastOf, signal }: { pastOf: PastOf; signal?: AbortSignal | undefined }): Promise<void> {
    const { chain, holders, store, logger } = this.#deps
    for await (const [key] of store.iterator({ gte: SHARE, lt: REVIEW })) {
      if (signal?.aborted === true) return
      const folder = key.slice(1)
      const deposit = depositAt(chain.tip.tree, folder)
      const held = deposit === undefined ? undefined : await this.#held(folder, deposit)
      if (deposit === undefined || held === undefined) continue
      const holder = holders(folder, deposit.memberHeight)?.[held.position]
      if (holder === undefined || equalBytes(holder, this.#options.custodian)) continue
      try {
        // The past comes first: once the share is gone, nobody here looks at this folder again.
        if (folderAt(chain.tip.tree, folder)?.epoch === deposit.epoch) await this.#handPast(holder, folder, deposit.epoch, pastOf)
        await this.#handShare(holder, folder, deposit, held)
        await this.#forget(folder)
      } catch (error) {
        logger.debug({ member: toHex(holder).slice(0, 8), code: errorCode(error) }, 'could not hand a share on')
      }
    }
  }

  async #handShare(holder: Uint8Array, folder: Uint8Array, { epoch }: Deposit, held: HeldShare): Promise<void> {
    const { position, share, commitments, label, labelSalt } = held
    const context = sealingContext.emergencyShare(this.#deps.chain.chainId, folder, epoch, shareCommitmentsHash(commitments), position)
    const sealed = seal(this.#organisationOf(holder).sealingKey, share, context)
    await this.#send(holder, { type: 'put-share', value: { folder, position, label, labelSalt, commitments, sealed } })
  }

  /** What opens the present epoch's past: the ledger names it, so that it is taken from who does not own the folder. */
  async #handPast(holder: Uint8Array, folder: Uint8Array, epoch: number, pastOf: PastOf): Promise<void> {
    const { chain, network, now } = this.#deps
    const sealed = epoch === 0 ? null : await pastOf(folder, epoch)
    if (sealed === null) return
    const { publicKey } = this.#options.accountKey
    const content = folderAskCodec.encode({
      ...{ chainId: chain.chainId, folder, consent: null, custodian: holder, peer: network.networkKey, time: now() },
    })
    const signature = this.#options.accountKey.sign(concat(domain(FOLDER_ASK_DOMAIN), content))
    await this.#send(holder, { type: 'put-past', value: { content, key: publicKey, signature, epoch, sealed } })
  }

  /** @throws EpioneError `not-found` for who is no active member */
  #organisationOf(id: Uint8Array): Organisation {
    const member = this.#deps.directory.byId(id)
    if (member?.status !== 'active') throw notFound()
    return member.organisation
  }

  async #send(holder: Uint8Array, request: FolderRequest): Promise<void> {
    const { networkKey } = this.#organisationOf(holder)
    const bytes = folderRequestCodec.encode(request)
    await this.#deps.network.request(networkKey, PROTOCOL.folder, bytes, { timeoutMs: HAND_ON_MS, maxResponse: 1024 })
  }

  /** Writes the shares of a bucket's folders under its newest key. */
  async reseal(bucket: number): Promise<void> {
    await this.#deps.keyring.reseal(bucket, this.#deps.store, this.#shareKeys(bucket), { read: value => value, write: sealed => sealed })
  }

  async *#shareKeys(bucket: number): AsyncGenerator<Uint8Array> {
    const gte = concat(SHARE, Uint8Array.of(bucket))
    for await (const [key] of this.#deps.store.iterator({ gte, lt: concat(gte, new Uint8Array(32).fill(0xff)) })) yield key
  }
}

function depositAt(state: StateReader, folder: Uint8Array): Deposit | undefined {
  const value = state.get(stateKey.emergencyDeposit(folder))
  return (value === undefined ? undefined : standingDeposit(depositCodec.decode(value))) ?? undefined
}

function isEmergencySummary(folder: Folder, { label, labelSalt }: Pick<HeldShare, 'label' | 'labelSalt'>): boolean {
  return label === 'emergency-summary' && equalBytes(labelCommitment(labelSalt, label), folder.labelCommitment)
}
