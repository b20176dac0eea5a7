/** A command that reads records: as the owner of a folder, or as a person with a share code. Opens the session and lists. */
import { openDelegateSession } from '../src/client/delegation.ts'
import { type ListedVersion, type Listing, listVersions } from '../src/client/get.ts'
import { decodeShare } from '../src/client/identity.ts'
import type { LightPeer } from '../src/client/light-peer.ts'
import { openOwnSession, openSession, type Session } from '../src/client/session.ts'
import type { Purpose } from '../src/contracts/consent-terms.ts'
import { equalBytes, toHex } from '../src/encoding/bytes.ts'
import { EpioneError } from '../src/encoding/errors.ts'
import { readCode } from './codes.ts'
import type { Context } from './context.ts'
import { noteCustodians, recallCustodians } from './custodian-book.ts'
import { count } from './format.ts'
import { homeOf } from './home.ts'
import { withPerson } from './person-session.ts'
import { withOwnedFolder, withWallet } from './wallet-session.ts'

export interface ReadingOptions {
  /** Exactly one of folder (the owner reads) and share (code, file or -) is given. */
  folder?: string
  share?: string
  /** The share is a delegation's: who has the wallet reads for its owner. */
  asDelegate?: boolean
  purpose?: Purpose
}

export interface Reading {
  readonly peer: LightPeer
  readonly session: Session
  readonly listing: Listing
  /** Whether the owner reads. */
  readonly own: boolean
}

/** Runs `act` with a session, which has its line in the access log by then, and the list of what may be read in it. */
export async function withReading<T>(
  context: Context,
  options: ReadingOptions & { submission?: Uint8Array },
  act: (reading: Reading) => Promise<T>,
): Promise<T> {
  const { signal } = context
  const { submission, purpose } = options
  const home = homeOf(context)
  const read = async (peer: LightPeer, open: () => Promise<Session>, own: boolean): Promise<T> => {
    await recallCustodians(home, peer.standings)
    try {
      const session = await open()
      return await act({ peer, session, listing: await listVersions(peer, session, call), own })
    } finally {
      await noteCustodians(home, peer.standings)
    }
  }
  const call = { signal, ...(submission === undefined ? {} : { submission }) }
  if (options.folder !== undefined) {
    return await withOwnedFolder(context, options.folder, async ({ peer, wallet, owned }) => {
      return await read(peer, async () => await openOwnSession(peer, wallet, owned, { signal, purpose: purpose ?? 'PATRQT' }), true)
    })
  }
  // Standard input is read before a passphrase is asked for there.
  const share = decodeShare(await readCode(context, options.share ?? '', 'epione-share:'))
  if (options.asDelegate === true) {
    return await withWallet(context, async ({ peer, wallet }) => {
      return await read(peer, async () => await openDelegateSession(peer, wallet, share, { signal, purpose: purpose ?? 'FAMRQT' }), false)
    })
  }
  return await withPerson(context, async ({ peer, person }) => {
    return await read(peer, async () => await openSession(peer, person, share, { signal, purpose: purpose ?? 'TREAT' }), false)
  })
}

/**
 * Says that there is nothing where nothing is shown. Custodians that could not be asked may hold what is missing, so that with too few
 * of them the answer is another.
 * @throws EpioneError `too-few-custodians`, `not-found`
 */
export function nothingToRead(listing: Listing): never {
  if (listing.incomplete.length > 0) {
    throw new EpioneError('too-few-custodians', 'too few custodians answered to say what there is; try again later', {
      metadata: { submissions: listing.incomplete.length },
    })
  }
  throw new EpioneError('not-found', 'There is nothing here under this name.')
}

/** Warns where a list may lack something. */
export function warnIncomplete(context: Context, listing: Listing): void {
  if (listing.incomplete.length === 0) return
  context.output.warn(`${count(listing.incomplete.length, 'submission')} may not be shown whole: too few of their custodians answered`)
}

/** The versions of each record, its newest last, in the order in which the records were first written. */
export function byRecord(versions: readonly ListedVersion[]): ListedVersion[][] {
  const records = new Map<string, ListedVersion[]>()
  for (const version of versions) {
    const id = toHex(version.recordId)
    const known = records.get(id)
    if (known === undefined) records.set(id, [version])
    else known.push(version)
  }
  for (const known of records.values()) {
    known.sort((a, b) => a.version - b.version || a.submission.anchor.height - b.submission.anchor.height)
  }
  return [...records.values()]
}

/** Versions of one record, the newest last. */
export function versionsOf(versions: readonly ListedVersion[], recordId: Uint8Array): ListedVersion[] {
  return byRecord(versions.filter(version => equalBytes(version.recordId, recordId)))[0] ?? []
}
