/** Grants and release receipts that a custodian keeps for a folder. */

import { consentCommitment, consentOpeningCodec } from '../../contracts/consent-terms.ts'
import { consentCodec, consentId } from '../../contracts/consents-formats.ts'
import { grantorStands } from '../../contracts/release-delegation.ts'
import { readDelegationFacts } from '../../contracts/release-facts.ts'
import { stateKey } from '../../contracts/state-keys.ts'
import { delegateKeyHash, ownerKeyHash } from '../../crypto/wallet.ts'
import { concat, equalBytes, toHex, u64 } from '../../encoding/bytes.ts'
import { EpioneError } from '../../encoding/errors.ts'
import { byteString, codec, integer, struct } from '../../encoding/schema.ts'
import { wrapHash } from '../../fragments/formats.ts'
import type { KeyValueStore, StoreOperation } from '../../ledger/store.ts'
import {
  erasuresResponseCodec,
  type FolderRequest,
  folderRequestCodec,
  MAX_SEALED_NOTE,
  noticesResponseCodec,
  releasesResponseCodec,
  type ShownDispute,
  wrapResponseCodec,
} from '../../network/light-messages.ts'
import type { Chain } from '../chain.ts'
import type { Directory } from '../directory.ts'
import { folderAt, isDelegateAt, notFound } from '../folder-facts.ts'
import type { Keyring } from '../keyring.ts'
import type { Notices } from '../notices.ts'
import { evenly } from '../refusals.ts'
import { requireFresh } from './access-lines.ts'
import { openAsk, type Place } from './clock-check.ts'
import type { Disputes } from './disputes.ts'
import type { Emergencies } from './emergencies.ts'
import type { ErasureReceipts } from './erasure-receipts.ts'
import { PastKeys } from './past-keys.ts'
import { ReleaseReceipts, type ReleaseSubject } from './receipts.ts'

const WRAP = Uint8Array.of(1)
/** Grants that wait for their line in the ledger, by the time until which they wait. */
const PENDING = Uint8Array.of(3)
const AFTER_PENDING = Uint8Array.of(4)
/** How long a grant is kept without its line in the ledger, in ms. */
const PENDING_MS = 60 * 60 * 1000
/** Most grants that wait at once, over all folders. */
const MAX_PENDING = 10_000
/** Most grants of one folder that wait at once: nobody takes the room of all others. */
const MAX_PENDING_OF_FOLDER = 32
/** Most wraps of one consent in force that wait at once: the ledger bounds the consents, and each may get a new wrap. */
const MAX_PENDING_OF_CONSENT = 4

type EmergencyRequest = Extract<FolderRequest, { type: 'put-share' | 'get-share' | 'share' | 'put-review' | 'get-review' }>

const storedWrapCodec = codec(
  struct({ opening: byteString(16 * 1024), wrap: byteString(4096), note: byteString(MAX_SEALED_NOTE) }),
  32 * 1024,
)
const pendingCodec = codec(struct({ key: byteString(128), until: integer() }), 256)

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
  /** Keys of the grants that wait, by folder and by their own hex. */
  readonly #pending = new Map<string, Map<string, Uint8Array>>()
  #pendingCount = 0
  #sequence = 0

  constructor(options: FolderDeskOptions, dependencies: FolderDeskDependencies) {
    this.#options = options
    this.#deps = dependencies
    this.#receipts = new ReleaseReceipts(dependencies.store)
    this.#past = new PastKeys(dependencies)
  }

  async start(): Promise<void> {
    await this.dropExpired()
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
        this.#requireGranter(folder, request.value.key)
        await this.#putWrap(folder, consent, request.value)
        return new Uint8Array(0)
      }
      case 'get-wrap': {
        const { folder, consent } = openAsk(request.value, place)
        if (consent === null) throw notFound()
        return await this.#getWrap(folder, consent, request.value.key)
      }
      case 'releases': {
        const { folder } = openAsk(request.value, place)
        this.#requireOwner(folder, request.value.key)
        return releasesResponseCodec.encode(await this.#receipts.page(folder, request.value.from, request.value.limit))
      }
      case 'put-past': {
        const { folder } = openAsk(request.value, place)
        this.#requireOwner(folder, request.value.key)
        await this.#past.put(folder, request.value.epoch, request.value.sealed)
        return new Uint8Array(0)
      }
      case 'erasures': {
        const { folder } = openAsk(request.value, place)
        this.#requireOwner(folder, request.value.key)
        return erasuresResponseCodec.encode({ receipts: await this.#deps.erasures.find(folder, request.value.marks) })
      }
      case 'put-dispute': {
        const { folder } = openAsk(request.value, place)
        this.#requireOwner(folder, request.value.key)
        const { opening, statement, forAuthor } = request.value
        await this.#deps.disputes.put(folder, { opening, statement, forAuthor })
        return new Uint8Array(0)
      }
      case 'put-reason': {
        const { folder, dispute, reason } = request.value
        await this.#deps.disputes.putReason(folder, dispute, reason)
        return new Uint8Array(0)
      }
      case 'get-disputes': {
        const { folder } = openAsk(request.value, place)
        this.#requireOwnerOrAuthor(folder, request.value.key)
        return await this.#deps.disputes.page(folder, request.value.after)
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
          pastOf: async (folder, epoch) => await this.#past.get(folder, epoch),
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

  /** Takes a grant from the folder's owner that the ledger shows already or will within the hour. */
  async #putWrap(
    folder: Uint8Array,
    consent: Uint8Array | null,
    grant: { opening: Uint8Array; wrap: Uint8Array; note: Uint8Array },
  ): Promise<void> {
    const { keyring, store, now } = this.#deps
    const opening = consentOpeningCodec.decode(grant.opening)
    const named = consentId(folder, consentCommitment(opening))
    if (!equalBytes(opening.folder, folder) || consent === null || !equalBytes(named, consent)) throw notFound()
    const key = this.#wrapKey(folder, named, wrapHash(grant.wrap))
    if ((await store.get(key)) !== undefined) return
    const keep = async (...others: StoreOperation[]): Promise<void> =>
      await keyring.within(folder, async () => {
        const value = keyring.seal(folder, storedWrapCodec.encode({ opening: grant.opening, wrap: grant.wrap, note: grant.note }), key)
        await store.batch([{ type: 'put', key, value }, ...others], { sync: true })
      })
    if (this.#isAnchored(key)) {
      await keep()
      return
    }
    this.#requireRoom(folder, named)
    this.#wait(key)
    const until = now() + PENDING_MS
    try {
      await keep({ type: 'put', key: concat(PENDING, u64(until), u64(this.#sequence++)), value: pendingCodec.encode({ key, until }) })
    } catch (error) {
      this.#waitNoMore(key)
      throw error
    }
  }

  /** @throws EpioneError `busy` where too many grants wait, of this folder, of this consent or of all */
  #requireRoom(folder: Uint8Array, consent: Uint8Array): void {
    const waiting = (): Uint8Array[] => [...(this.#pending.get(toHex(folder))?.values() ?? [])]
    const isFull = (): boolean =>
      this.#isInForce(folder, consent)
        ? waiting().filter(key => equalBytes(consentOf(key), consent)).length >= MAX_PENDING_OF_CONSENT
        : waiting().length >= MAX_PENDING_OF_FOLDER
    if (isFull()) for (const key of waiting()) if (this.#isAnchored(key)) this.#waitNoMore(key)
    if (isFull())
      throw new EpioneError('busy', 'Too many grants of this folder wait for their lines in the ledger; anchor them or wait an hour.')
    if (this.#pendingCount >= MAX_PENDING)
      throw new EpioneError('busy', 'This custodian holds as many unanchored grants as it may; try again later.')
  }

  #isInForce(folder: Uint8Array, consent: Uint8Array): boolean {
    const line = this.#deps.chain.tip.tree.get(stateKey.consent(folder, consent))
    return line !== undefined && consentCodec.decode(line).status === 'active'
  }

  /** Counts a grant that waits; one that is counted already is not counted again. */
  #wait(key: Uint8Array): void {
    const folder = toHex(folderOf(key))
    const waiting = this.#pending.get(folder) ?? new Map<string, Uint8Array>()
    if (waiting.has(toHex(key))) return
    this.#pending.set(folder, waiting.set(toHex(key), key))
    this.#pendingCount++
  }

  #waitNoMore(key: Uint8Array): void {
    const folder = toHex(folderOf(key))
    const waiting = this.#pending.get(folder)
    if (waiting === undefined || !waiting.delete(toHex(key))) return
    this.#pendingCount--
    if (waiting.size === 0) this.#pending.delete(folder)
  }

  /** Whether the ledger shows the grant that is kept under this key. */
  #isAnchored(key: Uint8Array): boolean {
    const line = this.#deps.chain.tip.tree.get(stateKey.consent(folderOf(key), consentOf(key)))
    return line !== undefined && equalBytes(consentCodec.decode(line).wrapHash, key.slice(65))
  }

  async #getWrap(folder: Uint8Array, consent: Uint8Array, asker: Uint8Array): Promise<Uint8Array> {
    const { chain, keyring, store } = this.#deps
    const owner = equalBytes(folderAt(chain.tip.tree, folder)?.ownerKeyHash ?? new Uint8Array(0), ownerKeyHash(asker))
    // Who is cut off would not hear of a revocation. It says so before it looks whether there is a grant at all.
    if (!owner) requireFresh(chain.tip, this.#deps)
    const value = chain.tip.tree.get(stateKey.consent(folder, consent))
    if (value === undefined) throw notFound()
    const line = consentCodec.decode(value)
    const key = this.#wrapKey(folder, consent, line.wrapHash)
    const held = await store.get(key)
    if (held === undefined) throw notFound()
    const stored = storedWrapCodec.decode(keyring.open(held, key))
    if (!owner) {
      if (line.status !== 'active' || line.expiry <= chain.tip.header.time) throw notFound()
      if (!this.#isGrantee(folder, consent, stored.opening, asker)) throw notFound()
    }
    const past = line.epoch === 0 ? null : await this.#past.get(folder, line.epoch)
    return wrapResponseCodec.encode({ ...stored, ...(owner ? {} : { note: new Uint8Array(0) }), past })
  }

  /**
   * The delegate whose key a delegation names; the person whom a grant names, or the organisation for a grant to it or to a role in it. Each until
   * the terms end: the ledger's expiry may be some weeks later.
   */
  #isGrantee(folder: Uint8Array, consent: Uint8Array, openingBytes: Uint8Array, asker: Uint8Array): boolean {
    const { tree, header } = this.#deps.chain.tip
    const { delegation, grantor } = readDelegationFacts(tree, folder, consent)
    if (!grantorStands(grantor, header.time)) return false
    const { grantee, validity } = consentOpeningCodec.decode(openingBytes).provision
    if (validity !== null && validity.end <= header.time) return false
    if (delegation !== null) {
      return equalBytes(delegation.delegateKeyHash, delegateKeyHash(asker)) && delegation.start <= header.time
    }
    if (grantee === null) return false
    if (grantee.type === 'person') return equalBytes(grantee.value.key, asker)
    const organisation = this.#deps.directory.byId(grantee.value.organisation)
    return organisation?.status === 'active' && equalBytes(organisation.organisation.signingKey, asker)
  }

  /** The owner, or a delegate who may grant. */
  #requireGranter(folder: Uint8Array, key: Uint8Array): void {
    const { tree, header } = this.#deps.chain.tip
    if (!isDelegateAt(tree, folder, key, 'grant', header.time)) this.#requireOwner(folder, key)
  }

  #requireOwner(folder: Uint8Array, key: Uint8Array): void {
    const found = folderAt(this.#deps.chain.tip.tree, folder)
    if (found === undefined || !equalBytes(found.ownerKeyHash, ownerKeyHash(key))) throw notFound()
  }

  #requireOwnerOrAuthor(folder: Uint8Array, key: Uint8Array): void {
    const found = folderAt(this.#deps.chain.tip.tree, folder)
    const author = found === undefined ? undefined : this.#deps.directory.byId(found.author)
    if (author === undefined || !equalBytes(author.organisation.signingKey, key)) this.#requireOwner(folder, key)
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

  /** Drops grants that never got their line in the ledger. Those that got it wait no more. */
  async dropExpired(): Promise<void> {
    const { keyring, store, now } = this.#deps
    for await (const [pendingKey, value] of store.iterator({ gte: PENDING, lt: AFTER_PENDING })) {
      const { key, until } = pendingCodec.decode(value)
      const anchored = this.#isAnchored(key)
      if (!anchored && until > now()) {
        this.#wait(key)
        continue
      }
      const stale = anchored ? await this.#replaced(key) : [key]
      const operations: StoreOperation[] = [pendingKey, ...stale].map(gone => ({ type: 'del', key: gone }))
      await keyring.within(folderOf(key), async () => await store.batch(operations))
      this.#waitNoMore(key)
    }
    await this.#past.dropExpired()
  }

  /** Wraps whose place the one under this key has taken. */
  async #replaced(key: Uint8Array): Promise<Uint8Array[]> {
    const prefix = key.slice(0, 65)
    const waiting = this.#pending.get(toHex(folderOf(key)))
    const stale: Uint8Array[] = []
    for await (const [other] of this.#deps.store.iterator({ gte: prefix, lt: concat(prefix, new Uint8Array(33).fill(0xff)) })) {
      if (!equalBytes(other, key) && waiting?.has(toHex(other)) !== true) stale.push(other)
    }
    return stale
  }

  /** Writes the grants and past keys of a bucket's folders under its newest key. */
  async reseal(bucket: number): Promise<void> {
    await this.#past.reseal(bucket)
    await this.#deps.keyring.reseal(bucket, this.#deps.store, this.#wrapKeys(bucket), { read: value => value, write: sealed => sealed })
  }

  async *#wrapKeys(bucket: number): AsyncGenerator<Uint8Array> {
    const gte = concat(WRAP, Uint8Array.of(bucket))
    for await (const [key] of this.#deps.store.iterator({ gte, lt: concat(gte, new Uint8Array(96).fill(0xff)) })) yield key
  }

  #wrapKey(folder: Uint8Array, consent: Uint8Array, hash: Uint8Array): Uint8Array {
    return concat(WRAP, folder, consent, hash)
  }
}

/** Folder of a grant, by the key under which it is kept. */
function folderOf(key: Uint8Array): Uint8Array {
  return key.slice(1, 33)
}

/** Consent of a grant, by the key under which it is kept. */
function consentOf(key: Uint8Array): Uint8Array {
  return key.slice(33, 65)
}
