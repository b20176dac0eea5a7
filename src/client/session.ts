/** Chart sessions: the access entry that is on the ledger before anything is read, and the openings that custodians decide on. */

import { type AccessEntry, accessEntryCodec, accessEntryId, MAX_SESSION_MS, openBodyCodec } from '../contracts/access-formats.ts'
import { type AccessOpening, accessCommitment, accessOpeningCodec, type Purpose } from '../contracts/consent-terms.ts'
import type { EmergencyReason } from '../contracts/emergency-formats.ts'
import { accessOpenedCodec } from '../contracts/events.ts'
import { randomBytes } from '../crypto/random.ts'
import type { SealingOpener } from '../crypto/sealing.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { deskTransaction } from './desk.ts'
import { folderOpener, folderOwnerKey, type OwnedFolder, type Wallet } from './folders.ts'
import { GrantKeys, personHolder } from './grant-keys.ts'
import type { Person, ShareCode } from './identity.ts'
import { accessLogStream, type Committed, type LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import type { Signer } from './signer.ts'
import { sessionEnd } from './spread.ts'

/** How long a session lasts unless asked otherwise, in ms. */
const SESSION_MS = 30 * 60 * 1000

/** An open session on one folder: enough to ask custodians and to open what they release. */
export interface Session {
  readonly folder: Uint8Array
  readonly entryId: Uint8Array
  readonly entry: AccessEntry
  readonly reader: Signer
  readonly accessOpening: Uint8Array
  readonly consentOpening: Uint8Array | null
  /** Of break-glass alone: why the patient was not asked. */
  readonly reason?: EmergencyReason
  /** Opens the version keys of an epoch; undefined for one that is closed to the reader. */
  readonly keyOf: (epoch: number) => Promise<SealingOpener | undefined> | SealingOpener | undefined
  readonly committed: Committed
}

export interface SessionOptions extends CallOptions {
  purpose?: Purpose
  /** Length of the session in ms, at most an hour. */
  durationMs?: number
  /** Versions that the session is for; all that may be read, if left out. */
  records?: { recordId: Uint8Array; version: number }[]
}

function opening(folder: Uint8Array, reader: Uint8Array, role: string, options: SessionOptions, purpose: Purpose): AccessOpening {
  return { salt: randomBytes(32), folder, reader, role, purpose: options.purpose ?? purpose, records: options.records ?? null }
}

/** Opens a session for a person under a consent, answered for by their organisation. */
export async function openSession(peer: LightPeer, person: Person, share: ShareCode, options: SessionOptions = {}): Promise<Session> {
  if (!equalBytes(share.chainId, peer.chainId)) throw new EpioneError('other-chain', 'The share code is for another network.')
  const access = opening(share.folder, person.signing.publicKey, person.role, options, 'TREAT')
  const accessOpening = accessOpeningCodec.encode(access)
  const head = await peer.head(options)
  const body = openBodyCodec.encode({
    folder: share.folder,
    consent: share.consent,
    commitment: accessCommitment(access),
    until: sessionEnd(head.header.time, sessionLength(options)),
  })
  const committed = await deskTransaction(peer, person, { type: 'access', value: { body, opening: accessOpening } }, options)
  const { entry, entryId } = await findEntry(peer, share.folder, committed, options)
  const grant = await GrantKeys.find(peer, personHolder(peer, person, share, options), share, options)
  return {
    folder: share.folder,
    entryId,
    entry,
    reader: person.signing,
    accessOpening,
    consentOpening: grant.opening,
    keyOf: async epoch => await grant.keyOf(epoch),
    committed,
  }
}

/** Opens a session for the folder's owner, who leaves a line in the log like anyone. */
export async function openOwnSession(peer: LightPeer, wallet: Wallet, owned: OwnedFolder, options: SessionOptions = {}): Promise<Session> {
  const key = folderOwnerKey(wallet, owned)
  const access = opening(owned.id, key.publicKey, 'owner', options, 'PATRQT')
  const head = await peer.head(options)
  const body = openBodyCodec.encode({
    folder: owned.id,
    consent: null,
    commitment: accessCommitment(access),
    until: sessionEnd(head.header.time, sessionLength(options)),
  })
  const sponsor = owned.folder.author
  const transaction = peer.sign({ from: { kind: 'folder', id: owned.id }, contract: 'access', action: 'open', body, sponsor }, key)
  const signed = await peer.sponsor(transaction, sponsor, options)
  const committed = await peer.submit({ id: transaction.id, bytes: signed }, options)
  const { entry, entryId } = await findEntry(peer, owned.id, committed, options)
  return {
    folder: owned.id,
    entryId,
    entry,
    reader: key,
    accessOpening: accessOpeningCodec.encode(access),
    consentOpening: null,
    keyOf: epoch => folderOpener(wallet, owned, epoch),
    committed,
  }
}

function sessionLength(options: SessionOptions): number {
  return Math.min(options.durationMs ?? SESSION_MS, MAX_SESSION_MS)
}

/** The entry that a committed transaction made: its receipt, which the block proves, names it and its place in the folder's log. */
export async function findEntry(
  peer: LightPeer,
  folder: Uint8Array,
  committed: Committed,
  options: CallOptions,
): Promise<{ entry: AccessEntry; entryId: Uint8Array }> {
  const event = committed.receipt.events.find(({ name, subject }) => name === 'access.opened' && equalBytes(subject, folder))
  if (event === undefined) throw new EpioneError('malformed', 'The receipt of the access entry does not say which entry it made.')
  const { entry: entryId, position } = accessOpenedCodec.decode(event.data)
  const entry = await peer.log(
    accessLogStream(folder),
    position,
    ([item]) => {
      const shown = item === undefined ? undefined : accessEntryCodec.decode(item)
      if (shown === undefined || !equalBytes(accessEntryId(shown), entryId))
        throw new EpioneError('invalid-proof', 'The node shows another access entry than the one that was committed.')
      return shown
    },
    { ...options, limit: 1 },
  )
  return { entry, entryId }
}
