/** A command that reads records: as the owner of a folder, or as a person with a share code. Opens the session and lists. */
import { resolve } from 'node:path'
import { openDelegateSession } from '../src/client/delegation.ts'
import { type EmergencyCard, openEmergency } from '../src/client/emergency.ts'
import { type ListedVersion, type Listing, listVersions, type ReadOptions, type ReadVersion, readVersions } from '../src/client/get.ts'
import { decodeShares } from '../src/client/identity.ts'
import type { LightPeer } from '../src/client/light-peer.ts'
import { formatMetrics } from '../src/client/metrics.ts'
import { openOwnSession, openSession, type Session } from '../src/client/session.ts'
import { readDispute } from '../src/client/version-disputes.ts'
import type { Purpose } from '../src/contracts/consent-terms.ts'
import type { EmergencyReason } from '../src/contracts/emergency-formats.ts'
import { equalBytes, toHex } from '../src/encoding/bytes.ts'
import { EpioneError, errorCode } from '../src/encoding/errors.ts'
import { readCode } from './codes.ts'
import type { Context } from './context.ts'
import { noteCustodians, recallCustodians } from './custodian-book.ts'
import { count, printable } from './format.ts'
import { homeOf } from './home.ts'
import { describeError } from './output.ts'
import { withPerson } from './person-session.ts'
import { assertWritable, writeSharedFile } from './private-file.ts'
import { withOwnedFolder, withWallet } from './wallet-session.ts'

export interface ReadingOptions {
  /** Exactly one of folder (the owner reads) and share (code, file or -) is given. */
  folder?: string
  share?: string
  /** The share is a delegation's: who has the wallet reads for its owner. */
  asDelegate?: boolean
  purpose?: Purpose
  /** File for what is known of the custodians afterwards, as metrics. */
  metricsFile?: string
  /** Instead of folder and share: breaks the glass of the card's folder. */
  emergency?: { card: EmergencyCard; reason: EmergencyReason; purpose: 'BTG' | 'ETREAT' }
}

export interface Reading {
  readonly peer: LightPeer
  /** One session for each folder that opened, the first of them named alone too. */
  readonly sessions: readonly Session[]
  readonly session: Session
  /** What may be read, of all folders. */
  readonly listing: Listing
  /** Whether the owner reads. */
  readonly own: boolean
  /** Reads versions of the listing, each in the session of its folder. */
  readonly read: (versions: readonly ListedVersion[], options: ReadOptions) => AsyncGenerator<ReadVersion>
}

/** Runs `act` with a session, which has its line in the access log by then, and the list of what may be read in it. */
export async function withReading<T>(
  context: Context,
  options: ReadingOptions & { submission?: Uint8Array },
  act: (reading: Reading) => Promise<T>,
): Promise<T> {
  const { signal } = context
  const { submission, purpose, metricsFile } = options
  if (metricsFile !== undefined) await assertWritable(resolve(metricsFile))
  const home = homeOf(context)
  const read = async (peer: LightPeer, opens: readonly (() => Promise<Session>)[], own: boolean): Promise<T> => {
    await recallCustodians(home, peer.standings)
    try {
      const sessions = await openAll(opens)
      const listing: Listing = { versions: [], incomplete: [], failures: [] }
      const sessionOf = new Map<ListedVersion, Session>()
      for (const session of sessions) {
        const one = await listVersions(peer, session, call)
        await warnDisputed(context, peer, session, one)
        for (const version of one.versions) sessionOf.set(version, session)
        listing.versions.push(...one.versions)
        listing.incomplete.push(...one.incomplete)
        listing.failures.push(...one.failures)
      }
      // As in one folder: in the order in which they were anchored.
      if (sessions.length > 1) listing.versions.sort((a, b) => a.submission.anchor.height - b.submission.anchor.height)
      return await act({
        peer,
        sessions,
        session: sessions[0] as Session,
        listing,
        own,
        read: (versions, how) => readEach(peer, sessionOf, versions, how),
      })
    } finally {
      await noteCustodians(home, peer.standings)
      if (metricsFile !== undefined) await writeMetrics(context, metricsFile, peer)
    }
  }
  const call = { signal, ...(submission === undefined ? {} : { submission }) }
  if (options.folder !== undefined) {
    return await withOwnedFolder(context, options.folder, async ({ peer, wallet, owned }) => {
      return await read(peer, [async () => await openOwnSession(peer, wallet, owned, { signal, purpose: purpose ?? 'PATRQT' })], true)
    })
  }
  const { emergency } = options
  if (emergency !== undefined) {
    return await withPerson(context, async ({ peer, person }) => {
      const { card, ...why } = emergency
      if (!equalBytes(card.chainId, peer.chainId)) throw new EpioneError('other-chain', 'the emergency card is for another network')
      return await read(peer, [async () => await openEmergency(peer, person, card.folder, { signal, ...why })], false)
    })
  }
  // Standard input is read before a passphrase is asked for there.
  const shares = decodeShares(await readCode(context, options.share ?? '', 'epione-share:'))
  if (options.asDelegate === true) {
    return await withWallet(context, async ({ peer, wallet }) => {
      const session = { signal, purpose: purpose ?? 'FAMRQT' } as const
      const opens = shares.map(share => async () => await openDelegateSession(peer, wallet, share, session))
      return await read(peer, opens, false)
    })
  }
  return await withPerson(context, async ({ peer, person }) => {
    const opens = shares.map(share => async () => await openSession(peer, person, share, { signal, purpose: purpose ?? 'TREAT' }))
    return await read(peer, opens, false)
  })
}

/** Also after a read that failed, which is when it is wanted most. */
async function writeMetrics(context: Context, path: string, peer: LightPeer): Promise<void> {
  try {
    await writeSharedFile(resolve(path), formatMetrics(peer.standings.list()))
  } catch (error) {
    context.output.warn(`the metrics could not be written: ${describeError(error).message}`)
  }
}

/** The owner's reading of one folder that is open and listed already. */
export function ownReading(peer: LightPeer, session: Session, listing: Listing): Reading {
  return { peer, session, sessions: [session], listing, own: true, read: (versions, how) => readVersions(peer, session, versions, how) }
}

/** The sessions that open: of several folders one may have been taken back. @throws the first refusal, where none opens */
async function openAll(opens: readonly (() => Promise<Session>)[]): Promise<Session[]> {
  const sessions: Session[] = []
  let refusal: unknown
  for (const open of opens) {
    try {
      sessions.push(await open())
    } catch (error) {
      if (errorCode(error) !== 'not-found') throw error
      refusal ??= error
    }
  }
  if (sessions.length === 0) throw refusal
  return sessions
}

/** Reads in the order given, each run of versions of one folder in its session. */
async function* readEach(
  peer: LightPeer,
  sessionOf: ReadonlyMap<ListedVersion, Session>,
  versions: readonly ListedVersion[],
  options: ReadOptions,
): AsyncGenerator<ReadVersion> {
  for (let first = 0; first < versions.length; ) {
    const session = sessionOf.get(versions[first] as ListedVersion) as Session
    let end = first + 1
    while (end < versions.length && sessionOf.get(versions[end] as ListedVersion) === session) end++
    yield* readVersions(peer, session, versions.slice(first, end), options)
    first = end
  }
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

/** Says what the patient disputes of what is shown, in their words. */
async function warnDisputed(context: Context, peer: LightPeer, session: Session, { versions }: Listing): Promise<void> {
  for (const { recordId, version, disputes = [] } of versions) {
    for (const dispute of disputes) {
      const { statement, reason } = await readDispute(peer.chainId, dispute, session.keyOf)
      const what = `record ${toHex(recordId).slice(0, 16)}, version ${version}`
      const said = statement === null ? 'the statement is not readable with this key' : `"${printable(statement)}"`
      const { status, answer } = dispute.line
      const answered = {
        open: 'its author has not answered yet',
        accepted: `its author accepted this: what is right is in submission ${toHex(answer ?? new Uint8Array(0)).slice(0, 16)}`,
        refused: `its author refused this: ${reason === null ? 'the reason is not readable here' : `"${printable(reason)}"`}`,
        withdrawn: 'and has taken it back',
      }[status]
      context.output.warn(`${what} is disputed by the patient: ${said}; ${answered}`)
    }
  }
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
