/** `epione enroll list` */
import { depositShares, needsDeposit } from '../../src/client/emergency-deposit.ts'
import { type OwnedFolder, scanFolders, type Wallet } from '../../src/client/folders.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import type { Context } from '../context.ts'
import { type AsOfResult, asOfResult, printable } from '../format.ts'
import { table } from '../output.ts'
import { withWallet } from '../wallet-session.ts'

/** What `--json` prints. */
export interface EnrollListResult {
  folders: readonly {
    folder: string
    label: string
    index: number
    organisation: { id: string; name: string; jurisdiction: string } | null
    status: string
    epoch: number
    /** Of an emergency summary whose key was to be left with custodians: `deposited`, or the code of what went wrong. */
    shared: string | null
  }[]
  /** Keys that were handed out and of which no folder came yet. */
  waiting: number
  asOf: AsOfResult
}

export async function enrollList(context: Context): Promise<void> {
  const { signal, output } = context
  await withWallet(context, async ({ peer, wallet, state }) => {
    const { folders, nextIndex } = await scanFolders(peer, wallet, { signal })
    const emergencies = new Map<string, string>()
    for (const owned of folders) {
      const shared = await shareKey(peer, wallet, owned, signal)
      if (shared !== null) emergencies.set(toHex(owned.id), shared)
    }
    const members = await peer.members({ signal })
    const { asOf } = await peer.head({ signal })
    const value: EnrollListResult = {
      folders: folders.map(({ id, label, index, folder }) => {
        const author = members.find(member => equalBytes(member.id, folder.author))
        return {
          folder: toHex(id),
          label,
          index,
          organisation:
            author === undefined
              ? null
              : { id: toHex(author.id), name: author.organisation.name, jurisdiction: author.organisation.jurisdiction },
          status: folder.status,
          epoch: folder.epoch,
          shared: emergencies.get(toHex(id)) ?? null,
        }
      }),
      waiting: Math.max(0, state.nextIndex - nextIndex),
      asOf: asOfResult(asOf),
    }
    output.result(value, () =>
      table(
        value.folders.map(({ folder, label, organisation, status }) => [
          folder,
          label,
          organisation === null ? 'unknown organisation' : `${printable(organisation.name)} (${organisation.jurisdiction})`,
          ...(status === 'open' ? [] : [status]),
        ]),
      ),
    )
    for (const [folder, shared] of emergencies) {
      if (shared === 'deposited') output.note(`left shares of the key of ${folder.slice(0, 16)} with its custodians, for emergencies`)
      else output.warn(`could not leave the key of ${folder.slice(0, 16)} for emergencies (${shared}); try: epione emergency deposit`)
    }
    if (value.folders.length === 0) output.note('this wallet has no folders yet; offer keys for one with: epione enroll offer')
    if (value.waiting > 0) output.note(`offered and not accepted yet: ${value.waiting}`)
  })
}

/** Leaves the key of a new emergency summary with its custodians, which is what its label is for; null where there is nothing to do. */
async function shareKey(peer: LightPeer, wallet: Wallet, owned: OwnedFolder, signal: AbortSignal): Promise<string | null> {
  try {
    if (owned.folder.status !== 'open' || !(await needsDeposit(peer, owned, { signal }))) return null
    await depositShares(peer, wallet, owned, { signal })
    return 'deposited'
  } catch (error) {
    signal.throwIfAborted()
    return errorCode(error)
  }
}
