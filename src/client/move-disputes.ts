/**
 * Disputes of versions that are anchored anew: what the owner says of a version goes where the version goes. The same statement is opened
 * there, sealed to the folder's key there, and withdrawn where it was, so that its author is asked once.
 */
import { equalBytes } from '../encoding/bytes.ts'
import { listDisputes } from './disputes.ts'
import type { OwnedFolder, Wallet } from './folders.ts'
import { listVersions } from './get.ts'
import type { LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { openDispute, withdrawDispute } from './open-dispute.ts'
import type { ListedVersion } from './read-types.ts'
import { openOwnSession } from './session.ts'

/** Versions, and the folder in which they are anchored anew. */
export interface Moved {
  readonly versions: readonly ListedVersion[]
  readonly into: OwnedFolder
}

export interface CarriedDisputes {
  /** Disputes as they were, and as they go on. */
  readonly carried: readonly { readonly from: Uint8Array; readonly folder: Uint8Array; readonly to: Uint8Array }[]
  /** Disputes that wait where they were, for no custodian that answered has their words: they may be of a version that moved. */
  readonly left: readonly Uint8Array[]
}

/**
 * Takes along the disputes that are open or refused; one that was refused is put to its author again. Once all is anchored, before anything is erased:
 * interrupted, the same call does what is left.
 * @param find the version in a list of the folder that it went to
 * @throws EpioneError `disputes-full`, `over-folder-quota` (a dispute takes an act in each folder), `too-few-receipts`
 */
export async function carryDisputes(
  peer: LightPeer,
  wallet: Wallet,
  source: OwnedFolder,
  places: readonly Moved[],
  find: (version: ListedVersion, listed: readonly ListedVersion[]) => ListedVersion,
  options: CallOptions,
): Promise<CarriedDisputes> {
  const standing = (await listDisputes(peer, wallet, source, options)).filter(
    ({ line: { status } }) => status === 'open' || status === 'refused',
  )
  const carried: { from: Uint8Array; folder: Uint8Array; to: Uint8Array }[] = []
  for (const { versions, into } of places) {
    let listed: readonly ListedVersion[] | undefined
    for (const { id, shown, statement } of standing) {
      const moved = versions.find(
        ({ recordId, version }) => shown !== null && shown.opening.version === version && equalBytes(shown.opening.recordId, recordId),
      )
      if (moved === undefined || statement === null || shown === null) continue
      listed ??= (await listVersions(peer, await openOwnSession(peer, wallet, into, options), options)).versions
      const there = find(moved, listed)
      // What an earlier call carried within the folder is of the new place already.
      if (equalBytes(shown.opening.folder, into.id) && equalBytes(shown.opening.submissionRoot, there.submission.root)) continue
      const opened = await openDispute(peer, wallet, into, { version: there, statement }, options)
      await withdrawDispute(peer, wallet, source, id, options)
      carried.push({ from: id, folder: into.id, to: opened.id })
    }
  }
  return { carried, left: standing.filter(({ statement }) => statement === null).map(({ id }) => id) }
}
