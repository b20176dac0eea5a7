/**
 * The break-glass of an organisation's people that waits for its review, with what its commitments open to: for those of the organisation
 * who review, and for nobody else. What is reviewed is forgotten here.
 */
import { accessEntryCodec } from '../contracts/access-formats.ts'
import { type EmergencyOpening, emergencyCodec, emergencyCommitment, emergencyOpeningCodec } from '../contracts/emergency-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { concat, equalBytes } from '../encoding/bytes.ts'
import { errorCode } from '../encoding/errors.ts'
import { byteString, codec, integer, struct } from '../encoding/schema.ts'
import type { KeyValueStore } from '../ledger/store.ts'
import { type EmergencyCase, MAX_CASES } from '../network/light-messages.ts'
import type { Chain } from './chain.ts'
import type { Keyring } from './keyring.ts'

const CASE = Uint8Array.of(1)
const AFTER_CASE = Uint8Array.of(2)
/** How long an opening is kept without its line in the ledger, in ms: longer than its transaction is valid. */
const PENDING_MS = 60 * 60 * 1000
/** Openings of which it is looked whether they wait, for one answer. */
const MAX_LOOKED = 4096

const keptCodec = codec(struct({ time: integer(), opening: byteString(emergencyOpeningCodec.maxBytes) }), 34 * 1024)

export interface EmergencyCasesDependencies {
  /** Account of the organisation. */
  account: Uint8Array
  chain: Chain
  keyring: Keyring
  store: KeyValueStore
  now: () => number
}

export class EmergencyCases {
  readonly #deps: EmergencyCasesDependencies

  constructor(dependencies: EmergencyCasesDependencies) {
    this.#deps = dependencies
  }

  /** Keeps an opening before its entry is committed. */
  async keep(opening: EmergencyOpening): Promise<void> {
    const { keyring, store, now } = this.#deps
    const { folder } = opening.access
    const key = concat(CASE, folder, emergencyCommitment(opening))
    const plain = keptCodec.encode({ time: now(), opening: emergencyOpeningCodec.encode(opening) })
    await keyring.within(folder, async () => {
      await store.batch([{ type: 'put', key, value: keyring.seal(folder, plain, key) }], { sync: true })
    })
  }

  /**
   * Cases that wait for their review, by folder, from behind `after` on.
   * @returns `next`: where the next page goes on; null where this was the last
   */
  async waiting(after: Uint8Array | null = null): Promise<{ cases: EmergencyCase[]; next: Uint8Array | null }> {
    const { keyring, store, now } = this.#deps
    const cases: EmergencyCase[] = []
    let looked = 0
    const gte = after === null ? CASE : concat(CASE, after, Uint8Array.of(0))
    for await (const [key, value] of store.iterator({ gte, lt: AFTER_CASE, limit: MAX_LOOKED })) {
      looked++
      const folder = key.slice(1, 33)
      const kept = this.#open(key, value)
      const found = await this.#onLedger(folder, key.slice(33))
      if (kept !== undefined && found !== undefined && !found.isReviewed) {
        const { access, reason } = emergencyOpeningCodec.decode(kept.opening)
        const { reader, role, purpose } = access
        cases.push({ folder, entry: found.entry, time: found.time, reader, role, purpose, reason })
      } else if (kept === undefined || found !== undefined || kept.time + PENDING_MS < now()) {
        await keyring.within(folder, async () => await store.batch([{ type: 'del', key }]))
      }
      if (cases.length === MAX_CASES || looked === MAX_LOOKED) return { cases, next: key.slice(1) }
    }
    return { cases, next: null }
  }

  #open(key: Uint8Array, value: Uint8Array) {
    try {
      return keptCodec.decode(this.#deps.keyring.open(value, key))
    } catch (error) {
      // The key of these bytes was destroyed: nobody reads them any more.
      if (errorCode(error) === 'forgotten') return undefined
      throw error
    }
  }

  /** The organisation's break-glass of this folder whose entry has that commitment; undefined where the ledger has none. */
  async #onLedger(folder: Uint8Array, commitment: Uint8Array) {
    const { account, chain } = this.#deps
    for (const [key, value] of chain.tip.tree.entries(stateKey.emergencies(folder))) {
      const { organisation, review, time } = emergencyCodec.decode(value)
      if (!equalBytes(organisation, account)) continue
      const entry = key.slice(33)
      const line = await chain.store.logItemById(entry)
      if (line === undefined || !equalBytes(accessEntryCodec.decode(line).commitment, commitment)) continue
      return { entry, time, isReviewed: review !== null }
    }
    return undefined
  }

  /** Writes the openings of a bucket's folders under its newest key. */
  async reseal(bucket: number): Promise<void> {
    await this.#deps.keyring.reseal(bucket, this.#deps.store, this.#keys(bucket), { read: value => value, write: sealed => sealed })
  }

  async *#keys(bucket: number): AsyncGenerator<Uint8Array> {
    const gte = concat(CASE, Uint8Array.of(bucket))
    for await (const [key] of this.#deps.store.iterator({ gte, lt: concat(gte, new Uint8Array(64).fill(0xff)) })) yield key
  }
}
