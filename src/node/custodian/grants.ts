/**
 * The grants that a custodian keeps for a folder: the opening of each consent, the folder's key wrapped to its reader, and a note for the
 * owner. A grant may come before its line in the ledger, and goes again where that does not follow.
 */
import { consentCommitment, consentOpeningCodec } from '../../contracts/consent-terms.ts'
import { consentCodec, consentId } from '../../contracts/consents-formats.ts'
import { grantorStands } from '../../contracts/release-delegation.ts'
import { readDelegationFacts } from '../../contracts/release-facts.ts'
import { stateKey } from '../../contracts/state-keys.ts'
import { delegateKeyHash, ownerKeyHash } from '../../crypto/wallet.ts'
import { concat, equalBytes, toHex, u64 } from '../../encoding/bytes.ts'
import { EpioneError, errorCode, MalformedError } from '../../encoding/errors.ts'
import { byteString, codec, integer, struct } from '../../encoding/schema.ts'
import { wrapHash } from '../../fragments/formats.ts'
import type { KeyValueStore, StoreOperation } from '../../ledger/store.ts'
import { type GrantTerms, MAX_SEALED_NOTE, MAX_TERMS_BYTES, wrapResponseCodec } from '../../network/light-messages.ts'
import type { Chain } from '../chain.ts'
import type { Directory } from '../directory.ts'
import { folderAt, notFound } from '../folder-facts.ts'
import type { Keyring } from '../keyring.ts'
import { requireFresh } from './access-lines.ts'
import type { PastKeys } from './past-keys.ts'

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

const storedWrapCodec = codec(
  struct({ opening: byteString(16 * 1024), wrap: byteString(4096), note: byteString(MAX_SEALED_NOTE) }),
  32 * 1024,
)
type StoredWrap = ReturnType<typeof storedWrapCodec.decode>
const pendingCodec = codec(struct({ key: byteString(128), until: integer() }), 256)

export interface GrantsDependencies {
  chain: Chain
  directory: Directory
  keyring: Keyring
  store: KeyValueStore
  pastKeys: PastKeys
  now: () => number
}

export class Grants {
  readonly #deps: GrantsDependencies
  /** Keys of the grants that wait, by folder and by their own hex. */
  readonly #pending = new Map<string, Map<string, Uint8Array>>()
  #pendingCount = 0
  #sequence = 0

  constructor(dependencies: GrantsDependencies) {
    this.#deps = dependencies
  }

  /**
   * Takes a grant from who may grant, which the ledger shows already or will within the hour.
   * @throws EpioneError `not-found` for one that is not the consent's of this folder; `busy` where too many wait
   */
  async put(folder: Uint8Array, consent: Uint8Array | null, grant: StoredWrap): Promise<void> {
    if (consent === null) throw notFound()
    const key = this.#keyOf(folder, consent, grant)
    if (await this.#isKept(key)) return
    await this.#keepAll(folder, [{ key, grant, waits: this.#admit(folder, consent, key) }])
  }

  /**
   * As {@link put} for several grants, written at once: for each null, or the code of why it was not taken.
   * @throws whatever the store throws; then none was taken
   */
  async putMany(folder: Uint8Array, grants: readonly (StoredWrap & { readonly consent: Uint8Array })[]): Promise<(string | null)[]> {
    const codes: (string | null)[] = []
    const taken = new Map<string, Kept>()
    try {
      for (const { consent, opening, wrap, note } of grants) {
        codes.push(
          await refusalOf(async () => {
            const grant = { opening, wrap, note }
            const key = this.#keyOf(folder, consent, grant)
            if (taken.has(toHex(key)) || (await this.#isKept(key))) return
            taken.set(toHex(key), { key, grant, waits: this.#admit(folder, consent, key) })
          }),
        )
      }
    } catch (error) {
      for (const { key, waits } of taken.values()) if (waits) this.#waitNoMore(key)
      throw error
    }
    await this.#keepAll(folder, [...taken.values()])
    return codes
  }

  /** Under which key a grant is kept. @throws EpioneError `not-found` where it is not of this consent, or of another folder */
  #keyOf(folder: Uint8Array, consent: Uint8Array, grant: StoredWrap): Uint8Array {
    const opening = consentOpeningCodec.decode(grant.opening)
    const named = consentId(folder, consentCommitment(opening))
    if (!equalBytes(opening.folder, folder) || !equalBytes(named, consent)) throw notFound()
    return concat(WRAP, folder, named, wrapHash(grant.wrap))
  }

  async #isKept(key: Uint8Array): Promise<boolean> {
    return (await this.#deps.store.get(key)) !== undefined
  }

  /** Gives a grant its room; whether it waits for its line. @throws EpioneError `busy` */
  #admit(folder: Uint8Array, consent: Uint8Array, key: Uint8Array): boolean {
    if (this.#isAnchored(key)) return false
    this.#requireRoom(folder, consent)
    this.#wait(key)
    return true
  }

  async #keepAll(folder: Uint8Array, grants: readonly Kept[]): Promise<void> {
    if (grants.length === 0) return
    const { keyring, store, now } = this.#deps
    const until = now() + PENDING_MS
    try {
      await keyring.within(folder, async () => {
        const operations = grants.flatMap(({ key, grant, waits }): StoreOperation[] => {
          const kept = { type: 'put' as const, key, value: keyring.seal(folder, storedWrapCodec.encode(grant), key) }
          if (!waits) return [kept]
          return [
            kept,
            { type: 'put', key: concat(PENDING, u64(until), u64(this.#sequence++)), value: pendingCodec.encode({ key, until }) },
          ]
        })
        await store.batch(operations, { sync: true })
      })
    } catch (error) {
      for (const { key, waits } of grants) if (waits) this.#waitNoMore(key)
      throw error
    }
  }

  /** @throws EpioneError `busy` where too many grants wait, of this folder, of this consent or of all */
  #requireRoom(folder: Uint8Array, consent: Uint8Array): void {
    const waiting = (): Uint8Array[] => [...(this.#pending.get(toHex(folder))?.values() ?? [])]
    const isInForce = this.#isInForce(folder, consent)
    const isFull = (): boolean =>
      isInForce
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

  /** What is kept of a consent, as its line in the ledger names it. @throws EpioneError `not-found` */
  async #find(folder: Uint8Array, consent: Uint8Array) {
    const value = this.#deps.chain.tip.tree.get(stateKey.consent(folder, consent))
    if (value === undefined) throw notFound()
    const line = consentCodec.decode(value)
    const key = concat(WRAP, folder, consent, line.wrapHash)
    const held = await this.#deps.store.get(key)
    if (held === undefined) throw notFound()
    return { line, stored: storedWrapCodec.decode(this.#deps.keyring.open(held, key)) }
  }

  /** The answer to who asks for a grant: its reader, or the owner. @throws EpioneError `not-found`; `stale` as {@link requireFresh} */
  async get(folder: Uint8Array, consent: Uint8Array, asker: Uint8Array): Promise<Uint8Array> {
    const { chain, pastKeys } = this.#deps
    const owner = equalBytes(folderAt(chain.tip.tree, folder)?.ownerKeyHash ?? new Uint8Array(0), ownerKeyHash(asker))
    // Who is cut off would not hear of a revocation. It says so before it looks whether there is a grant at all.
    if (!owner) requireFresh(chain.tip, this.#deps)
    const { line, stored } = await this.#find(folder, consent)
    if (!owner) {
      if (line.status !== 'active' || line.expiry <= chain.tip.header.time) throw notFound()
      if (!this.#isGrantee(folder, consent, stored.opening, asker)) throw notFound()
    }
    const past = line.epoch === 0 ? null : await pastKeys.get(folder, line.epoch)
    return wrapResponseCodec.encode({ ...stored, ...(owner ? {} : { note: new Uint8Array(0) }), past })
  }

  /** Openings and notes of several consents, for the owner: of those that are kept here, the first of them that one answer has room for. */
  async termsOf(folder: Uint8Array, consents: readonly Uint8Array[]): Promise<GrantTerms[]> {
    const found: GrantTerms[] = []
    let bytes = 0
    for (const consent of consents) {
      try {
        const { opening, note } = (await this.#find(folder, consent)).stored
        bytes += opening.length + note.length
        if (bytes > MAX_TERMS_BYTES) break
        found.push({ consent, opening, note })
      } catch (error) {
        if (errorCode(error) !== 'not-found') throw error
      }
    }
    return found
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

  /** Writes the grants of a bucket's folders under its newest key. */
  async reseal(bucket: number): Promise<void> {
    await this.#deps.keyring.reseal(bucket, this.#deps.store, this.#wrapKeys(bucket), { read: value => value, write: sealed => sealed })
  }

  async *#wrapKeys(bucket: number): AsyncGenerator<Uint8Array> {
    const gte = concat(WRAP, Uint8Array.of(bucket))
    for await (const [key] of this.#deps.store.iterator({ gte, lt: concat(gte, new Uint8Array(96).fill(0xff)) })) yield key
  }
}

/** A grant that is about to be written. */
interface Kept {
  readonly key: Uint8Array
  readonly grant: StoredWrap
  /** Whether it waits for its line in the ledger. */
  readonly waits: boolean
}

/** The code of why one of several grants is refused; what is wrong with the node itself is thrown. */
async function refusalOf(take: () => Promise<void>): Promise<string | null> {
  try {
    await take()
    return null
  } catch (error) {
    const code = errorCode(error)
    if (error instanceof MalformedError || code === 'not-found' || code === 'busy') return code
    throw error
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
