/** The patient's access log: the ledger's lines, proven complete, and what custodians say under their signature of each. */

import { type AccessEntry, accessEntryCodec, accessEntryId, nextLogHead } from '../contracts/access-formats.ts'
import { type AccessOpening, accessCommitment, accessOpeningCodec } from '../contracts/consent-terms.ts'
import { type EmergencyReason, emergencyCommitment } from '../contracts/emergency-formats.ts'
import { signedByAt } from '../contracts/member-signatures.ts'
import { logHeadCodec } from '../contracts/members-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import {
  type ReleaseReceipt,
  releaseOpeningsCodec,
  releaseReceiptBytes,
  releaseReceiptCodec,
  sealingContext,
} from '../fragments/formats.ts'
import { folderRequestCodec, releasesResponseCodec } from '../network/light-messages.ts'
import { MAX_LIGHT_RESPONSE, PROTOCOL } from '../network/protocols.ts'
import { signAsk } from './folder-ask.ts'
import { folderOpener, folderOwnerKey, type OwnedFolder, readFolder, type Wallet } from './folders.ts'
import { type AsOf, accessLogStream, type LightPeer, type MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { possibleHolders } from './possible-holders.ts'

/** Most pages of receipts that are asked of one custodian. */
const MAX_PAGES = 1000

/** What one custodian released in a session. */
export interface Release {
  readonly custodian: MemberInfo
  readonly receipt: ReleaseReceipt
  readonly signature: Uint8Array
}

/** A custodian that could not be asked, and why. */
export interface SilentCustodian extends MemberInfo {
  readonly code: string
}

/** One line of the log, with everything that could be learnt of it. */
export interface LoggedAccess {
  readonly id: Uint8Array
  readonly entry: AccessEntry
  /** Organisation that answers for the reader; null for the owner. */
  readonly organisation: MemberInfo | null
  /** Reader, role, purpose and records, as a custodian kept them; null where no custodian that answered released anything. */
  readonly opening: AccessOpening | null
  /** Of break-glass: why the patient was not asked, from the same place. */
  readonly reason: EmergencyReason | null
  readonly releases: readonly Release[]
}

export interface AccessLog {
  readonly entries: readonly LoggedAccess[]
  /** Height and age of the state that proves the log complete. */
  readonly asOf: AsOf
  /** Custodians that could not be asked: releases that only they know of are not shown. */
  readonly silent: readonly SilentCustodian[]
  /** Receipts that no line of the log covers, or that do not hold: what an honest custodian never has. */
  readonly uncovered: readonly Release[]
}

/** Reads a folder's log, checks it against the head that the state proves, and joins what the custodians keep for the owner. */
export async function readAccessLog(peer: LightPeer, wallet: Wallet, owned: OwnedFolder, options: CallOptions = {}): Promise<AccessLog> {
  const members = await peer.members(options)
  // Receipts first: the line is on the ledger before anything is released, so that a read that goes on meanwhile is covered too.
  const { releases, silent } = await collectReleases(peer, wallet, owned, options)
  const { entries, asOf } = await entriesUpTo(peer, owned.id, releases, options)
  // Custodians seal to the key of now, which may be newer than what this device knows.
  const folder = (await readFolder(peer, owned.id, options)) ?? owned.folder
  const known = new Map(entries.map(entry => [toHex(accessEntryId(entry)), entry]))
  const covered = releases.filter(({ receipt }) => known.has(toHex(receipt.entry)))
  return {
    asOf,
    silent,
    uncovered: releases.filter(release => !covered.includes(release)),
    entries: entries.map(entry => {
      const id = accessEntryId(entry)
      const own = covered.filter(({ receipt }) => equalBytes(receipt.entry, id))
      return {
        id,
        entry,
        organisation:
          entry.organisation === null ? null : (members.find(member => equalBytes(member.id, entry.organisation as Uint8Array)) ?? null),
        ...openingOf(peer, wallet, { ...owned, folder }, entry, own),
        releases: own,
      }
    }),
  }
}

/** The log's lines; where the node that was asked is behind the custodians, after its next block. */
async function entriesUpTo(
  peer: LightPeer,
  folder: Uint8Array,
  releases: readonly Release[],
  options: CallOptions,
): Promise<{ entries: AccessEntry[]; asOf: AsOf }> {
  const log = await provenEntries(peer, folder, options)
  if (releases.every(({ receipt }) => receipt.height <= log.asOf.height)) return log
  await peer.waitAbove(log.asOf.height, options)
  return await provenEntries(peer, folder, options)
}

/** The log's lines, proven to be all of them and in order. */
export async function provenEntries(
  peer: LightPeer,
  folder: Uint8Array,
  options: CallOptions,
): Promise<{ entries: AccessEntry[]; asOf: AsOf }> {
  const { values, asOf } = await peer.read([stateKey.accessLog(folder)], options)
  const value = values[0] ?? null
  if (value === null) return { entries: [], asOf }
  const { count, head } = logHeadCodec.decode(value)
  const entries: AccessEntry[] = []
  let link: Uint8Array = new Uint8Array(32)
  while (entries.length < count) {
    const from = { position: entries.length, link }
    const page = await peer.log(accessLogStream(folder), from.position, items => readPage(items, from, { folder, count, head }), options)
    entries.push(...page.entries)
    link = page.link
  }
  return { entries, asOf }
}

/** One page of the log after `from`; where it ends the log, it must lead to the head that the state commits to. */
function readPage(
  items: readonly Uint8Array[],
  from: { position: number; link: Uint8Array },
  log: { folder: Uint8Array; count: number; head: Uint8Array },
): { entries: AccessEntry[]; link: Uint8Array } {
  const entries = items.slice(0, log.count - from.position).map(item => accessEntryCodec.decode(item))
  if (entries.length === 0) throw new EpioneError('invalid-proof', 'The node leaves out lines of the access log.')
  if (entries.some((entry, i) => entry.index !== from.position + i || !equalBytes(entry.folder, log.folder)))
    throw new EpioneError('invalid-proof', 'The node gives the lines of the access log out of order.')
  const link = entries.reduce((last, entry) => nextLogHead(last, accessEntryId(entry)), from.link)
  if (from.position + entries.length === log.count && !equalBytes(link, log.head))
    throw new EpioneError('invalid-proof', 'The access log is not the one that the state commits to.')
  return { entries, link }
}

async function collectReleases(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  options: CallOptions,
): Promise<{ releases: Release[]; silent: SilentCustodian[] }> {
  const releases: Release[] = []
  const silent: SilentCustodian[] = []
  await Promise.all(
    (await possibleHolders(peer, owned.id, options)).map(async custodian => {
      try {
        releases.push(...(await releasesBy(peer, wallet, owned, custodian, options)))
      } catch (error) {
        options.signal?.throwIfAborted()
        silent.push({ ...custodian, code: errorCode(error) })
      }
    }),
  )
  return { releases: releases.sort((a, b) => a.receipt.time - b.receipt.time), silent }
}

async function releasesBy(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  custodian: MemberInfo,
  options: CallOptions,
): Promise<Release[]> {
  const key = folderOwnerKey(wallet, owned)
  const found: Release[] = []
  for (let page = 0, from = 0; page < MAX_PAGES; page++) {
    const ask = await signAsk(peer, key, { folder: owned.id, consent: null, custodian })
    const request = folderRequestCodec.encode({ type: 'releases', value: { ...ask, from, limit: 256 } })
    const bytes = await peer.nodes.request(custodian.organisation.networkKey, PROTOCOL.folder, request, {
      ...options,
      maxResponse: MAX_LIGHT_RESPONSE,
    })
    const { receipts, more } = releasesResponseCodec.decode(bytes)
    for (const { receipt: receiptBytes, signature } of receipts) {
      const receipt = releaseReceiptCodec.decode(receiptBytes)
      const right =
        equalBytes(receipt.custodian, custodian.id) &&
        equalBytes(receipt.folder, owned.id) &&
        signedByAt(custodian, receipt.height, releaseReceiptBytes(receipt), signature)
      if (!right) throw new EpioneError('invalid-proof', 'A release receipt is not signed by the custodian that keeps it.')
      found.push({ custodian, receipt, signature })
    }
    from += receipts.length
    if (!more || receipts.length === 0) break
  }
  return found
}

/** The opening of an entry as a custodian keeps it, if it is what the entry commits to. */
function openingOf(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  entry: AccessEntry,
  releases: readonly Release[],
): Pick<LoggedAccess, 'opening' | 'reason'> {
  for (const { receipt } of releases) {
    for (let epoch = owned.folder.epoch; epoch >= 0; epoch--) {
      try {
        const context = sealingContext.releaseOpening(peer.chainId, owned.id, receipt.entry)
        const { access, reason } = releaseOpeningsCodec.decode(folderOpener(wallet, owned, epoch).open(receipt.sealedOpening, context))
        const opening = accessOpeningCodec.decode(access)
        const commitment = reason === null ? accessCommitment(opening) : emergencyCommitment({ access: opening, reason })
        if (equalBytes(commitment, entry.commitment)) return { opening, reason }
      } catch {
        // Sealed to another epoch's key, or not as an honest custodian keeps it: the next receipt may do.
      }
    }
  }
  return { opening: null, reason: null }
}
