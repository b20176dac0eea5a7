/**
 * What opens a folder's past to whoever has its present key: the private halves of all epochs before, sealed to an epoch's key. The
 * ledger names the present one by its hash; it is left here before its epoch begins, and goes when no consent and no deposit
 * for emergencies needs it any more.
 */
import { consentCodec } from '../../contracts/consents-formats.ts'
import { depositCodec, standingDeposit } from '../../contracts/emergency-formats.ts'
import type { Folder } from '../../contracts/folders-formats.ts'
import { stateKey } from '../../contracts/state-keys.ts'
import { concat, equalBytes, u32, u64 } from '../../encoding/bytes.ts'
import { EpioneError } from '../../encoding/errors.ts'
import { pastKeysHash } from '../../fragments/past-keys.ts'
import type { KeyValueStore, StoreOperation } from '../../ledger/store.ts'
import type { Chain } from '../chain.ts'
import { folderAt, notFound } from '../folder-facts.ts'
import type { Keyring } from '../keyring.ts'

const PAST = Uint8Array.of(0x10)
/** How long one is kept whose epoch has not begun, in ms. */
const PENDING_MS = 60 * 60 * 1000
/** Most of one folder that wait for their epoch at once: as many devices may try. */
const MAX_PENDING = 4
/** Bytes of a key: prefix, folder, epoch, hash, and until when it waits. */
const KEY_LENGTH = 1 + 32 + 4 + 32 + 8
/** Bytes that a suite adds to what it seals, at most. */
const MAX_OVERHEAD = 2048

export interface PastKeysDependencies {
  chain: Chain
  keyring: Keyring
  store: KeyValueStore
  /** Clock, in ms. */
  now: () => number
}

/** One that is kept, as its key says. */
interface Kept {
  readonly key: Uint8Array
  readonly folder: Uint8Array
  readonly epoch: number
  readonly hash: Uint8Array
  readonly until: number
}

function readKey(key: Uint8Array): Kept {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength)
  return { key, folder: key.slice(1, 33), epoch: view.getUint32(33), hash: key.slice(37, 69), until: Number(view.getBigUint64(69)) }
}

export class PastKeys {
  readonly #deps: PastKeysDependencies

  constructor(dependencies: PastKeysDependencies) {
    this.#deps = dependencies
  }

  /**
   * Takes the sealed halves for the epoch that is, if they are those that the ledger names, or for the next.
   * @throws EpioneError `not-found`; `stale-epoch` for another epoch, or other halves; `busy` where too many wait
   */
  async put(folder: Uint8Array, epoch: number, sealed: Uint8Array): Promise<void> {
    const { chain, keyring, store, now } = this.#deps
    const present = folderAt(chain.tip.tree, folder)
    if (present === undefined) throw notFound()
    const hash = pastKeysHash(sealed)
    const isPresent = isNamed(present, epoch, hash)
    if (!isPresent && epoch !== present.epoch + 1) {
      throw new EpioneError('stale-epoch', `The folder is in epoch ${present.epoch}; look again and retry.`, {
        metadata: { epoch: present.epoch },
      })
    }
    if (sealed.length > 32 * epoch + MAX_OVERHEAD) throw new EpioneError('bad-keys', 'There are more keys than epochs before this one.')
    await keyring.within(folder, async () => {
      const kept = await this.#kept(concat(PAST, folder))
      if (kept.some(known => known.epoch === epoch && equalBytes(known.hash, hash))) return
      const stale = kept.filter(known => !this.#isNeeded(known))
      const waiting = kept.filter(known => known.epoch === present.epoch + 1 && !stale.includes(known))
      if (!isPresent && waiting.length >= MAX_PENDING)
        throw new EpioneError('busy', 'Too many new keys of this folder wait for their epoch; use one of them, or wait an hour.')
      const key = concat(PAST, folder, u32(epoch), hash, u64(now() + PENDING_MS))
      const operations: StoreOperation[] = stale.map(known => ({ type: 'del', key: known.key }))
      await store.batch([...operations, { type: 'put', key, value: keyring.seal(folder, sealed, key) }], { sync: true })
    })
  }

  /** Whether the ledger names these as those of the folder's present epoch: then it does not matter who brings them. */
  isProven(folder: Uint8Array, epoch: number, sealed: Uint8Array): boolean {
    const present = folderAt(this.#deps.chain.tip.tree, folder)
    return present !== undefined && isNamed(present, epoch, pastKeysHash(sealed))
  }

  /** The sealed halves of the epochs before one, where they are here. */
  async get(folder: Uint8Array, epoch: number): Promise<Uint8Array | null> {
    const present = folderAt(this.#deps.chain.tip.tree, folder)
    for (const { key, hash } of await this.#kept(concat(PAST, folder, u32(epoch)))) {
      if (present?.epoch === epoch && !equalBytes(hash, present.previousKeyHash ?? new Uint8Array(0))) continue
      const held = await this.#deps.store.get(key)
      if (held !== undefined) return this.#deps.keyring.open(held, key)
    }
    return null
  }

  /** Drops what waited in vain, and what no consent in force needs any more. */
  async dropExpired(): Promise<void> {
    const { keyring, store } = this.#deps
    for await (const [key] of store.iterator({ gte: PAST, lt: above(PAST) })) {
      const kept = readKey(key)
      if (!this.#isNeeded(kept)) await keyring.within(kept.folder, async () => await store.batch([{ type: 'del', key }]))
    }
  }

  /** Writes those of a bucket's folders under its newest key. */
  async reseal(bucket: number): Promise<void> {
    await this.#deps.keyring.reseal(bucket, this.#deps.store, this.#keys(concat(PAST, Uint8Array.of(bucket))), {
      read: value => value,
      write: sealed => sealed,
    })
  }

  async #kept(prefix: Uint8Array): Promise<Kept[]> {
    const found: Kept[] = []
    for await (const key of this.#keys(prefix)) found.push(readKey(key))
    return found
  }

  async *#keys(prefix: Uint8Array): AsyncGenerator<Uint8Array> {
    for await (const [key] of this.#deps.store.iterator({ gte: prefix, lt: above(prefix) })) yield key
  }

  /** The present one; one that waits; one of an epoch at which a consent in force has stayed, or whose key was left for emergencies. */
  #isNeeded({ folder, epoch, hash, until }: Kept): boolean {
    const { tree } = this.#deps.chain.tip
    const present = folderAt(tree, folder)
    if (present === undefined || present.status !== 'open') return false
    if (epoch > present.epoch) return until > this.#deps.now()
    if (epoch === present.epoch) return isNamed(present, epoch, hash)
    const line = tree.get(stateKey.emergencyDeposit(folder))
    if (line !== undefined && standingDeposit(depositCodec.decode(line))?.epoch === epoch) return true
    for (const [, value] of tree.entries(stateKey.consents(folder))) {
      const consent = consentCodec.decode(value)
      if (consent.status === 'active' && consent.epoch === epoch) return true
    }
    return false
  }
}

function isNamed(folder: Folder, epoch: number, hash: Uint8Array): boolean {
  return epoch === folder.epoch && folder.previousKeyHash !== null && equalBytes(hash, folder.previousKeyHash)
}

/** A key above all that begin with `prefix`. */
function above(prefix: Uint8Array): Uint8Array {
  return concat(prefix, new Uint8Array(KEY_LENGTH).fill(0xff))
}
