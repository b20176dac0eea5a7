/**
 * What was written while no node could be reached, until it is sent: once, in order, later. Entries are sealed before the store sees them. Each carries the ids of
 * its records from the moment it was added, and keeps the keys of its upload until it is in the ledger, so that a crash between the two sends the same bytes again,
 * which the ledger takes as what it has already.
 */

import { recordClassSchema } from '../contracts/consent-terms.ts'
import { consentCodec } from '../contracts/consents-formats.ts'
import { labelSchema } from '../contracts/folders-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { aesGcmOpen, aesGcmSeal } from '../crypto/platform.ts'
import { randomBytes } from '../crypto/random.ts'
import { concat, utf8 } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { domain } from '../encoding/hash.ts'
import { byteString, codec, hash32, type Infer, integer, list, nullable, struct, tagged, text } from '../encoding/schema.ts'
import { revokeConsent } from './consents.ts'
import { type FolderAddress, findOwnedFolder, type Wallet } from './folders.ts'
import type { Person } from './identity.ts'
import type { LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { putRecords } from './put.ts'
import type { RecordInput } from './record-input.ts'
import { contentOf } from './record-object.ts'

/** Most entries, and most bytes of all their contents: more is refused, and nothing is dropped for it. */
export const MAX_OUTBOX_ENTRIES = 1_000
export const MAX_OUTBOX_BYTES = 64 * 1024 * 1024
const MAX_ENTRY_BYTES = 16 * 1024 * 1024
const MAX_VERSIONS = 64
const NONCE_BYTES = 12
const TAG_BYTES = 16
const NAME = /^\d{12}$/

/** Codes that speak of the way and not of the entry: it stays, and is tried again. */
const LATER: ReadonlySet<string> = new Set([
  ...[
    'unreachable',
    'timeout',
    'connection-lost',
    'busy',
    'stale',
    'behind',
    'not-committed',
    'too-few-receipts',
    'not-ready',
    'banned',
    'internal',
  ],
  ...['stale-epoch', 'stale-members', 'not-provable', 'pool-full', 'quota-exceeded'],
])

/** Where entries are kept, by name. Each call has happened on disk when it settles. */
export interface OutboxStore {
  names(): Promise<readonly string[]>
  load(name: string): Promise<Uint8Array | null>
  save(name: string, sealed: Uint8Array): Promise<void>
  /** Fine where nothing is there. */
  remove(name: string): Promise<void>
}

const versionSchema = struct({
  recordId: hash32,
  version: integer(0xffff_ffff, 1),
  mediaType: text(128),
  resourceType: text(64),
  class: recordClassSchema,
  dataTime: nullable(integer()),
  bytes: byteString(MAX_ENTRY_BYTES),
})
const entryCodec = codec(
  struct({
    version: integer(1, 1),
    queuedAt: integer(),
    /** Why it was set aside; empty while it waits. */
    parked: text(64),
    item: tagged({
      records: struct({ folder: hash32, label: labelSchema, labelSalt: hash32, versions: list(versionSchema, MAX_VERSIONS, 1) }),
      revoke: struct({ folder: hash32, consent: hash32 }),
    }),
  }),
  MAX_ENTRY_BYTES + 64 * 1024,
)
type Entry = Infer<typeof entryCodec>

/** An entry as it stands. */
export interface OutboxEntry {
  readonly id: string
  readonly kind: Entry['item']['type']
  readonly folder: Uint8Array
  /** When it was added, in ms. */
  readonly queuedAt: number
  /** Code for which it was set aside: it is not tried again by itself. Null while it waits. */
  readonly parked: string | null
}

/** Who sends: a person for records, a wallet for revocations. */
export interface OutboxSender {
  readonly person?: Person
  readonly wallet?: Wallet
}

export interface Flushed {
  /** What is in the ledger now: the entry, and the height of its block. */
  readonly sent: readonly { id: string; height: number }[]
  readonly parked: readonly { id: string; code: string }[]
  /** Entries that still wait, and the code for which; null where none does. */
  readonly waiting: number
  readonly because: string | null
}

/** Entries that wait, in a store of the caller's; see the head of this file for what is promised. */
export class Outbox {
  readonly #store: OutboxStore
  readonly #key: Uint8Array
  readonly #now: () => number
  #last = 0

  /** @param options.key 32 bytes that seal the entries: from a vault, or derived from the wallet's seed */
  constructor(options: { store: OutboxStore; key: Uint8Array; now?: () => number }) {
    if (options.key.length !== 32) throw new EpioneError('seed-length', 'The key of an outbox has 32 bytes.')
    this.#store = options.store
    this.#key = options.key.slice()
    this.#now = options.now ?? Date.now
  }

  /** Adds records for a folder; content is read now. @throws EpioneError `outbox-full`, `too-large`, `too-many-versions` */
  async addRecords(folder: FolderAddress, inputs: readonly RecordInput[]): Promise<string> {
    if (inputs.length < 1 || inputs.length > MAX_VERSIONS)
      throw new EpioneError('too-many-versions', `An entry holds 1 to ${MAX_VERSIONS} versions, not ${inputs.length}.`)
    const size = inputs.reduce((sum, { content }) => sum + content.size, 0)
    if (size > MAX_ENTRY_BYTES)
      throw new EpioneError('too-large', `An entry holds at most ${MAX_ENTRY_BYTES} bytes; write larger records while connected.`)
    const versions: Infer<typeof versionSchema>[] = []
    for (const input of inputs) {
      const parts: Uint8Array[] = []
      for await (const part of input.content.open()) parts.push(part)
      versions.push({
        recordId: input.recordId ?? randomBytes(32),
        version: input.version ?? 1,
        mediaType: input.mediaType,
        resourceType: input.resourceType ?? '',
        class: input.class,
        dataTime: input.dataTime ?? null,
        bytes: concat(...parts),
      })
    }
    return await this.#add({ type: 'records', value: { folder: folder.id, label: folder.label, labelSalt: folder.labelSalt, versions } })
  }

  /** Adds the end of a consent. @throws EpioneError `outbox-full` */
  async addRevocation(folder: Uint8Array, consent: Uint8Array): Promise<string> {
    return await this.#add({ type: 'revoke', value: { folder, consent } })
  }

  /** Everything that was not sent yet, the oldest first. @throws EpioneError `outbox-damaged` */
  async list(): Promise<OutboxEntry[]> {
    const entries: OutboxEntry[] = []
    for (const name of await this.#names()) {
      const { queuedAt, parked, item } = await this.#load(name)
      entries.push({ id: name, kind: item.type, folder: item.value.folder, queuedAt, parked: parked === '' ? null : parked })
    }
    return entries
  }

  /** Forgets an entry; what was sent of it stays sent. */
  async cancel(id: string): Promise<void> {
    await this.#store.remove(id)
    await this.#store.remove(journalOf(id))
  }

  /** Has an entry that was set aside tried again. */
  async retry(id: string): Promise<void> {
    await this.#save(id, { ...(await this.#load(id)), parked: '' })
  }

  /**
   * Sends what waits, the oldest first. It ends at the first entry for which the network cannot be reached, so that order is kept; what can never be sent is set aside.
   * Two must not run at once.
   */
  async flush(peer: LightPeer, sender: OutboxSender, options: CallOptions & { onSent?: (id: string) => void } = {}): Promise<Flushed> {
    const sent: { id: string; height: number }[] = []
    const parked: { id: string; code: string }[] = []
    const names = await this.#names()
    let done = 0
    let because: string | null = null
    for (const name of names) {
      options.signal?.throwIfAborted()
      const entry = await this.#load(name)
      done++
      if (entry.parked !== '') continue
      try {
        const height = await this.#send(name, entry, peer, sender, options)
        await this.cancel(name)
        sent.push({ id: name, height })
        options.onSent?.(name)
      } catch (error) {
        options.signal?.throwIfAborted()
        const code = errorCode(error)
        if (LATER.has(code)) {
          because = code
          done--
          break
        }
        await this.#save(name, { ...entry, parked: code.slice(0, 64) })
        parked.push({ id: name, code })
      }
    }
    return { sent, parked, waiting: names.length - done, because }
  }

  async #send(name: string, { item }: Entry, peer: LightPeer, sender: OutboxSender, options: CallOptions): Promise<number> {
    if (item.type === 'revoke') {
      const { wallet } = sender
      if (wallet === undefined) throw new EpioneError('no-sender', 'A revocation is sent by the wallet of the folder.')
      const { folder, consent } = item.value
      const line = await peer.readOne(stateKey.consent(folder, consent), options)
      // It may have been sent before, and the answer lost.
      if (line !== null && consentCodec.decode(line).status !== 'active') return (await peer.head(options)).header.height
      const owned = await findOwnedFolder(peer, wallet, folder, options)
      return (await revokeConsent(peer, wallet, owned, consent, options)).height
    }
    const { person } = sender
    if (person === undefined) throw new EpioneError('no-sender', 'Records are sent by a person of the organisation that writes them.')
    const { folder, label, labelSalt, versions } = item.value
    const inputs = versions.map(({ bytes, ...version }): RecordInput => ({ ...version, content: contentOf(bytes) }))
    const journal = {
      load: async () => await this.#store.load(journalOf(name)),
      save: async (bytes: Uint8Array) => await this.#store.save(journalOf(name), bytes),
      // It goes with the entry: until then a crash must find it.
      clear: async () => undefined,
    }
    const result = await putRecords(peer, person, { id: folder, label, labelSalt }, inputs, { ...options, journal, journalFrom: 0 })
    return result.anchored.height
  }

  async #add(item: Entry['item']): Promise<string> {
    const names = await this.#names()
    if (names.length >= MAX_OUTBOX_ENTRIES) throw full()
    let bytes = 0
    for (const name of names) bytes += (await this.#store.load(name))?.length ?? 0
    const entry: Entry = { version: 1, queuedAt: this.#now(), parked: '', item }
    if (bytes + entryCodec.encode(entry).length > MAX_OUTBOX_BYTES) throw full()
    this.#last = Math.max(this.#last, Number(names.at(-1) ?? 0)) + 1
    const name = String(this.#last).padStart(12, '0')
    await this.#save(name, entry)
    return name
  }

  async #names(): Promise<string[]> {
    return (await this.#store.names()).filter(name => NAME.test(name)).sort()
  }

  async #save(name: string, entry: Entry): Promise<void> {
    const nonce = randomBytes(NONCE_BYTES)
    await this.#store.save(
      name,
      concat(nonce, aesGcmSeal(this.#key, nonce, concat(domain('outbox'), utf8(name)), entryCodec.encode(entry))),
    )
  }

  async #load(name: string): Promise<Entry> {
    const sealed = await this.#store.load(name)
    const bytes =
      sealed === null || sealed.length < NONCE_BYTES + TAG_BYTES
        ? undefined
        : aesGcmOpen(this.#key, sealed.subarray(0, NONCE_BYTES), concat(domain('outbox'), utf8(name)), sealed.subarray(NONCE_BYTES))
    if (bytes === undefined) {
      throw new EpioneError(
        'outbox-damaged',
        `Entry ${name} of the outbox does not open: it is damaged, or under another key. Cancel it to go on.`,
      )
    }
    return entryCodec.decode(bytes)
  }
}

function journalOf(name: string): string {
  return `${name}.journal`
}

function full(): EpioneError {
  return new EpioneError(
    'outbox-full',
    `The outbox holds ${MAX_OUTBOX_ENTRIES} entries or ${MAX_OUTBOX_BYTES} bytes already: connect, so that they are sent.`,
  )
}

/** An outbox's store in memory: for tests, and for pages that keep nothing. */
export function memoryOutboxStore(): OutboxStore {
  const kept = new Map<string, Uint8Array>()
  return {
    names: async () => [...kept.keys()],
    load: async name => kept.get(name) ?? null,
    save: async (name, sealed) => void kept.set(name, sealed),
    remove: async name => void kept.delete(name),
  }
}
