/** `epione delegate list` */
import { listDelegations } from '../../src/client/delegation.ts'
import { rightsOf } from '../../src/contracts/delegations-formats.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Context } from '../context.ts'
import { formatDay, printable } from '../format.ts'
import { withOwnedFolder } from '../wallet-session.ts'
import { rightsWords } from './delegate-grant.ts'

export interface DelegateListOptions {
  folder: string
}

/** What `--json` prints. */
export interface DelegateListResult {
  delegations: readonly {
    delegation: string
    /** `pending`: it begins later. */
    status: 'active' | 'pending' | 'revoked' | 'expired'
    delegate: string
    /** Null where no custodian that answered has the terms. */
    ground: string | null
    rights: readonly string[]
    startMs: number
    endMs: number
  }[]
}

export async function delegateList(context: Context, options: DelegateListOptions): Promise<void> {
  const { signal, output } = context
  await withOwnedFolder(context, options.folder, async ({ peer, wallet, owned }) => {
    const found = await listDelegations(peer, wallet, owned, { signal })
    const { header } = await peer.head({ signal })
    const rows = found.map(({ id, line, delegation, ground, name }): DelegateListResult['delegations'][number] => {
      const ended = line.expiry <= header.time
      const status = line.status === 'revoked' ? 'revoked' : ended ? 'expired' : delegation.start > header.time ? 'pending' : 'active'
      return {
        ...{ delegation: toHex(id), status, delegate: printable(name), ground, rights: rightsOf(delegation.rights) },
        ...{ startMs: delegation.start, endMs: line.expiry },
      }
    })
    output.result({ delegations: rows }, () =>
      rows.flatMap(({ delegation, status, delegate, ground, startMs, endMs }, i) => [
        `${delegation}  ${status}`,
        `  ${delegate || 'unknown'} (${ground ?? 'ground unknown'}) may ${rightsWords(rightsOf(found[i]?.delegation.rights ?? 0))}, ${formatDay(startMs)} until ${formatDay(endMs)}`,
      ]),
    )
    if (rows.length === 0) output.note('nobody acts for you in this folder')
  })
}
