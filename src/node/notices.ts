/**
 * Notices for the people of this node's organisation: they read a version that turned out to be wrong. The folder's owner leaves them, who
 * proves the look by the ledger's entry and its opening; each person fetches their own, and their signed word that they saw it goes
 * back to the owner.
 */
import { accessEntryCodec } from '../contracts/access-formats.ts'
import { accessCommitment, accessOpeningCodec } from '../contracts/consent-terms.ts'
import { disputeCommitment, disputeId, disputeOpeningCodec } from '../contracts/disputes-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { verifySignature } from '../crypto/signature.ts'
import { concat, equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { codec } from '../encoding/schema.ts'
import type { KeyValueStore } from '../ledger/store.ts'
import {
  acknowledgementBytes,
  acknowledgementCodec,
  type KeptNotice,
  keptNoticeSchema,
  noticeCodec,
  noticeId,
} from '../network/notice-messages.ts'
import type { Chain } from './chain.ts'
import { notFound } from './folder-facts.ts'
import type { Keyring } from './keyring.ts'

/** By folder, dispute and reader: the newest notice. */
const NOTICE = Uint8Array.of(1)
/** By reader, folder and dispute: that there is one. */
const OF_READER = Uint8Array.of(2)
/** Most notices of one dispute and of one answer. */
const MAX_OF_DISPUTE = 64
const MAX_ANSWERED = 64

const keptCodec = codec(keptNoticeSchema, 4096)

export interface NoticesOptions {
  account: Uint8Array
}

export interface NoticesDependencies {
  chain: Chain
  keyring: Keyring
  store: KeyValueStore
  now: () => number
}

export class Notices {
  readonly #options: NoticesOptions
  readonly #deps: NoticesDependencies

  constructor(options: NoticesOptions, dependencies: NoticesDependencies) {
    this.#options = options
    this.#deps = dependencies
  }

  /**
   * Keeps a notice from a folder's owner, instead of an older one of the same dispute to the same reader. The same again changes nothing.
   * @throws EpioneError `not-found` where the ledger does not show the dispute, or that one of this organisation's people read; `busy`
   */
  async put(folder: Uint8Array, bytes: Uint8Array, accessOpening: Uint8Array): Promise<void> {
    const { chain, now } = this.#deps
    const notice = noticeCodec.decode(bytes)
    const opening = disputeOpeningCodec.decode(notice.opening)
    const access = accessOpeningCodec.decode(accessOpening)
    const item = await chain.store.logItemById(notice.entry)
    if (item === undefined) throw notFound()
    const entry = accessEntryCodec.decode(item)
    const dispute = disputeId(folder, disputeCommitment(opening))
    const isRight =
      equalBytes(notice.chainId, chain.chainId) &&
      equalBytes(notice.organisation, this.#options.account) &&
      equalBytes(opening.folder, folder) &&
      equalBytes(entry.folder, folder) &&
      entry.organisation !== null &&
      equalBytes(entry.organisation, this.#options.account) &&
      equalBytes(accessCommitment(access), entry.commitment) &&
      chain.tip.tree.get(stateKey.dispute(folder, dispute)) !== undefined
    if (!isRight) throw notFound()
    const key = concat(NOTICE, folder, dispute, access.reader)
    const known = await this.#get(key)
    if (known !== undefined && equalBytes(known.notice, bytes)) return
    if (known === undefined && (await this.of(folder, dispute)).length >= MAX_OF_DISPUTE) {
      throw new EpioneError('busy', `This organisation keeps ${MAX_OF_DISPUTE} notices of one dispute, and no more.`)
    }
    await this.#keep(folder, key, { notice: bytes, reader: access.reader, received: now(), seen: null })
  }

  /** Notices of one dispute, for the folder's owner. */
  async of(folder: Uint8Array, dispute: Uint8Array): Promise<KeptNotice[]> {
    const { keyring, store } = this.#deps
    const gte = concat(NOTICE, folder, dispute)
    const found: KeptNotice[] = []
    for await (const [key, value] of store.iterator({ gte, lt: concat(gte, new Uint8Array(33).fill(0xff)), limit: MAX_OF_DISPUTE })) {
      found.push(keptCodec.decode(keyring.open(value, key)))
    }
    return found
  }

  /**
   * Notices that one person has not seen yet, from behind `after` on.
   * @returns `next`: where the next page goes on; null where this was the last
   */
  async waiting(reader: Uint8Array, after: Uint8Array | null = null): Promise<{ notices: KeptNotice[]; next: Uint8Array | null }> {
    const notices: KeptNotice[] = []
    const prefix = concat(OF_READER, reader)
    const gte = after === null ? prefix : concat(prefix, after, Uint8Array.of(0))
    for await (const [key] of this.#deps.store.iterator({ gte, lt: concat(prefix, new Uint8Array(65).fill(0xff)), limit: MAX_ANSWERED })) {
      const place = key.slice(33)
      const kept = await this.#get(concat(NOTICE, place, reader))
      if (kept !== undefined) notices.push(kept)
      if (notices.length === MAX_ANSWERED) return { notices, next: place }
    }
    return { notices, next: null }
  }

  /** Keeps a person's word that they saw a notice. @throws EpioneError `not-found`, `bad-signature` */
  async acknowledge(reader: Uint8Array, bytes: Uint8Array, signature: Uint8Array): Promise<void> {
    const acknowledgement = acknowledgementCodec.decode(bytes)
    const kept = await this.#waitingOne(reader, acknowledgement.notice)
    if (kept === undefined || !equalBytes(acknowledgement.reader, reader)) throw notFound()
    if (!verifySignature(reader, acknowledgementBytes(acknowledgement), signature)) {
      throw new EpioneError('bad-signature', 'The signature of the acknowledgement does not fit.')
    }
    const opening = disputeOpeningCodec.decode(noticeCodec.decode(kept.notice).opening)
    const { folder } = opening
    const key = concat(NOTICE, folder, disputeId(folder, disputeCommitment(opening)), reader)
    await this.#keep(folder, key, { ...kept, seen: { acknowledgement: bytes, signature } })
  }

  async #waitingOne(reader: Uint8Array, id: Uint8Array): Promise<KeptNotice | undefined> {
    for (let after: Uint8Array | null = null; ; ) {
      const { notices, next }: Awaited<ReturnType<Notices['waiting']>> = await this.waiting(reader, after)
      const found = notices.find(({ notice }) => equalBytes(noticeId(notice), id))
      if (found !== undefined || next === null) return found
      after = next
    }
  }

  /** Writes the notices of a bucket's folders under its newest key. */
  async reseal(bucket: number): Promise<void> {
    await this.#deps.keyring.reseal(bucket, this.#deps.store, this.#keys(bucket), { read: value => value, write: sealed => sealed })
  }

  async *#keys(bucket: number): AsyncGenerator<Uint8Array> {
    const gte = concat(NOTICE, Uint8Array.of(bucket))
    for await (const [key] of this.#deps.store.iterator({ gte, lt: concat(gte, new Uint8Array(96).fill(0xff)) })) yield key
  }

  async #get(key: Uint8Array): Promise<KeptNotice | undefined> {
    const value = await this.#deps.store.get(key)
    return value === undefined ? undefined : keptCodec.decode(this.#deps.keyring.open(value, key))
  }

  async #keep(folder: Uint8Array, key: Uint8Array, kept: KeptNotice): Promise<void> {
    const { keyring, store } = this.#deps
    const mark = concat(OF_READER, kept.reader, key.slice(1, 65))
    await keyring.within(folder, async () => {
      const value = keyring.seal(folder, keptCodec.encode(kept), key)
      // The mark leads to what waits; what was seen stays for the owner alone.
      const waits = kept.seen === null ? { type: 'put' as const, key: mark, value: Uint8Array.of(1) } : { type: 'del' as const, key: mark }
      await store.batch([{ type: 'put', key, value }, waits], { sync: true })
    })
  }
}
