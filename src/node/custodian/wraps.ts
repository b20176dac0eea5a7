import type { Right } from '../../contracts/delegations-formats.ts'
import { ownerKeyHash } from '../../crypto/wallet.ts'
import { equalBytes } from '../../encoding/bytes.ts'
import type { KeyValueStore } from '../../ledger/store.ts'
import {
  erasuresResponseCodec,
  type FolderRequest,
  folderRequestCodec,
  getWrapsResponseCodec,
  noticesResponseCodec,
  putWrapsResponseCodec,
  releasesResponseCodec,
  type ShownDispute,
} from '../../network/light-messages.ts'
import type { Chain } from '../chain.ts'
import type { Directory } from '../directory.ts'
import { delegationAt, folderAt, notFound } from '../folder-facts.ts'
import type { Keyring } from '../keyring.ts'
import type { Notices } from '../notices.ts'
import { evenly } from '../refusals.ts'
import { openAsk, type Place } from './clock-check.ts'
import type { Disputes } from './disputes.ts'
import type { Emergencies } from './emergencies.ts'
import type { ErasureReceipts } from './erasure-receipts.ts'
import { Grants } from './grants.ts'
import { PastKeys } from './past-keys.ts'
import { ReleaseReceipts, type ReleaseSubject } from './receipts.ts'

type EmergencyRequest = Extract<FolderRequest, { type: 'put-share' | 'get-share' | 'share' | 'put-review' | 'get-review' }>

export interface FolderDeskOptions {
  custodian: Uint8Array
}

export interface FolderDeskDependencies {
  chain: Chain
  directory: Directory
  keyring: Keyring
  store: KeyValueStore
  erasures: ErasureReceipts
  disputes: Disputes
  notices: Notices
  /** Keeps and releases what is for break-glass; without it, nothing is. */
  emergencies?: Emergencies
  now: () => number
}

export class FolderDesk {
  readonly #options: FolderDeskOptions
  readonly #deps: FolderDeskDependencies
  readonly #receipts: ReleaseReceipts
  readonly #past: PastKeys
  readonly #grants: Grants

  constructor(options: FolderDeskOptions, dependencies: FolderDeskDependencies) {
    this.#options = options
    this.#deps = dependencies
    this.#receipts = new ReleaseReceipts(dependencies.store)
    this.#past = new PastKeys(dependencies)
    this.#grants = new Grants({ ...dependencies, pastKeys: this.#past })
  }

  async start(): Promise<void> {
    await this.dropExpired()
  }

  readonly #pastOf = async (folder: Uint8Array, epoch: number): Promise<Uint8Array | null> => await this.#past.get(folder, epoch)

  /** Hands on what is kept for break-glass where its place went to another custodian. */
  async handOnShares(signal?: AbortSignal): Promise<void> {
    await this.#deps.emergencies?.handOn({ pastOf: this.#pastOf, signal })
  }

  /** Answers one request of the folder protocol from the peer with this network key. */
  async answer(bytes: Uint8Array, peer: Uint8Array): Promise<Uint8Array> {
    return await evenly(async () => await this.#answer(bytes, peer))
  }

  async #answer(bytes: Uint8Array, peer: Uint8Array): Promise<Uint8Array> {
    const request: FolderRequest = folderRequestCodec.decode(bytes)
    const { chain, now } = this.#deps
    const place = { chainId: chain.chainId, custodian: this.#options.custodian, peer, nowMs: now() }
    switch (request.type) {
      case 'put-wrap': {
        const { folder, consent } = openAsk(request.value, place)
        this.#requireOwnerOr(folder, request.value.key, 'grant')
        await this.#grants.put(folder, consent, request.value)
        return new Uint8Array(0)
      }
      case 'get-wrap': {
        const { folder, consent } = openAsk(request.value, place)
        if (consent === null) throw notFound()
        return await this.#grants.get(folder, consent, request.value.key)
      }
      case 'put-wraps': {
        const { folder } = openAsk(request.value, place)
        this.#requireOwner(folder, request.value.key)
        return putWrapsResponseCodec.encode({ codes: await this.#grants.putMany(folder, request.value.grants) })
      }
      case 'get-wraps': {
        const { folder } = openAsk(request.value, place)
        this.#requireOwner(folder, request.value.key)
        return getWrapsResponseCodec.encode({ grants: await this.#grants.termsOf(folder, request.value.consents) })
      }
      case 'releases': {
        const { folder } = openAsk(request.value, place)
        this.#requireOwner(folder, request.value.key)
        return releasesResponseCodec.encode(await this.#receipts.page(folder, request.value.from, request.value.limit))
      }
      case 'put-past': {
        const { folder } = openAsk(request.value, place)
        const { epoch, sealed, key } = request.value
        // A custodian that leaves brings those that the ledger names to who comes in its place.
        if (!this.#past.isProven(folder, epoch, sealed)) this.#requireOwner(folder, key)
        await this.#past.put(folder, epoch, sealed)
        return new Uint8Array(0)
      }
      case 'erasures': {
        const { folder } = openAsk(request.value, place)
        this.#requireOwner(folder, request.value.key)
        return erasuresResponseCodec.encode({ receipts: await this.#deps.erasures.find(folder, request.value.marks) })
      }
      case 'put-dispute': {
        const { folder } = openAsk(request.value, place)
        const delegation = this.#requireOwnerOr(folder, request.value.key, 'dispute')
        const { opening, statement, forAuthor } = request.value
        await this.#deps.disputes.put(folder, { opening, statement, forAuthor }, delegation)
        return new Uint8Array(0)
      }
      case 'put-reason': {
        const { folder, dispute, reason } = request.value
        await this.#deps.disputes.putReason(folder, dispute, reason)
        return new Uint8Array(0)
      }
      case 'get-disputes': {
        const { folder } = openAsk(request.value, place)
        return await this.#deps.disputes.page(folder, request.value.after, this.#ownerOrAuthor(folder, request.value.key))
      }
      case 'put-notice': {
        const { folder } = openAsk(request.value, place)
        this.#requireOwner(folder, request.value.key)
        await this.#deps.notices.put(folder, request.value.notice, request.value.accessOpening)
        return new Uint8Array(0)
      }
      case 'get-notices': {
        const { folder } = openAsk(request.value, place)
        this.#requireOwner(folder, request.value.key)
        return noticesResponseCodec.encode({ notices: await this.#deps.notices.of(folder, request.value.dispute) })
      }
      default:
        return await this.#answerEmergency(request, place)
    }
  }

  async #answerEmergency(request: EmergencyRequest, place: Place): Promise<Uint8Array> {
    const { emergencies } = this.#deps
    if (emergencies === undefined) throw notFound()
    switch (request.type) {
      case 'put-share':
        await emergencies.putShare(request.value)
        return new Uint8Array(0)
      case 'get-share':
        return await emergencies.getShare(request.value, place, {
          keepReceipt: this.keepReceipt.bind(this),
          pastOf: this.#pastOf,
        })
      case 'share': {
        const { folder } = openAsk(request.value, place)
        this.#requireOwner(folder, request.value.key)
        return await emergencies.whichShare(folder)
      }
      case 'put-review':
        await emergencies.putReview(request.value)
        return new Uint8Array(0)
      case 'get-review': {
        const { folder } = openAsk(request.value, place)
        this.#requireOwner(folder, request.value.key)
        return await emergencies.getReview(folder, request.value.entry)
      }
    }
  }

  /** The delegation of a delegate who has a right; null for the owner. */
  #requireOwnerOr(folder: Uint8Array, key: Uint8Array, right: Right): Uint8Array | null {
    const { tree, header } = this.#deps.chain.tip
    const delegation = delegationAt(tree, folder, key, right, header.time)
    if (delegation === null) this.#requireOwner(folder, key)
    return delegation
  }

  #requireOwner(folder: Uint8Array, key: Uint8Array): void {
    const found = folderAt(this.#deps.chain.tip.tree, folder)
    if (found === undefined || !equalBytes(found.ownerKeyHash, ownerKeyHash(key))) throw notFound()
  }

  #ownerOrAuthor(folder: Uint8Array, key: Uint8Array): 'owner' | 'author' {
    const found = folderAt(this.#deps.chain.tip.tree, folder)
    const author = found === undefined ? undefined : this.#deps.directory.byId(found.author)
    if (author !== undefined && equalBytes(author.organisation.signingKey, key)) return 'author'
    this.#requireOwner(folder, key)
    return 'owner'
  }

  /** What the owner disputes of these versions: it goes out with them. */
  async disputesOf(
    folder: Uint8Array,
    versions: readonly { recordId: Uint8Array; version: number }[],
    limit: number,
  ): Promise<ShownDispute[]> {
    return await this.#deps.disputes.of(folder, versions, limit)
  }

  /**
   * Keeps a signed receipt of what was released, for the folder's owner to read; one of the same subject before goes.
   * @throws EpioneError `busy` where a session has brought as many as it may
   */
  async keepReceipt(folder: Uint8Array, time: number, receipt: Uint8Array, signature: Uint8Array, subject?: ReleaseSubject): Promise<void> {
    await this.#receipts.keep(folder, time, { receipt, signature }, subject)
  }

  /** Drops grants and past keys that never got their line in the ledger. */
  async dropExpired(): Promise<void> {
    await this.#grants.dropExpired()
    await this.#past.dropExpired()
  }

  /** Writes the grants and past keys of a bucket's folders under its newest key. */
  async reseal(bucket: number): Promise<void> {
    await this.#past.reseal(bucket)
    await this.#grants.reseal(bucket)
  }
}
