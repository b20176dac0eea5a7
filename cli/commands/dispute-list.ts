/** `epione dispute list` */
import { authorDisputes, listDisputes } from '../../src/client/disputes.ts'
import type { Dispute, DisputeOpening } from '../../src/contracts/disputes-formats.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Context } from '../context.ts'
import { formatDay, printable } from '../format.ts'
import { table } from '../output.ts'
import { withPerson } from '../person-session.ts'
import { idBytes, withOwnedFolder } from '../wallet-session.ts'

export interface DisputeListOptions {
  folder: string
  /** As a person of the organisation that wrote into the folder. */
  asAuthor?: boolean
}

/** What `--json` prints. */
export interface DisputeListResult {
  /** The oldest first. */
  disputes: readonly {
    dispute: string
    status: Dispute['status']
    height: number
    dueMs: number
    /** Open, and its day is over. */
    late: boolean
    record: string | null
    version: number | null
    statement: string | null
    reason: string | null
    /** The submission with the new version, where it was accepted. */
    submission: string | null
    answeredHeight: number | null
    /** The delegation under which somebody opened it on the owner's behalf. */
    delegation: string | null
  }[]
}

export async function disputeList(context: Context, options: DisputeListOptions): Promise<void> {
  const { signal } = context
  const folder = idBytes(options.folder)
  const rows =
    options.asAuthor === true
      ? await withPerson(context, async ({ peer, person }) =>
          (await authorDisputes(peer, person, folder, { signal })).map(({ id, line, opening, statement }) =>
            describe(id, line, opening, statement, null),
          ),
        )
      : await withOwnedFolder(context, options.folder, async ({ peer, wallet, owned }) =>
          (await listDisputes(peer, wallet, owned, { signal })).map(({ id, line, shown, statement, reason }) =>
            describe(id, line, shown?.opening ?? null, statement, reason),
          ),
        )
  const value: DisputeListResult = { disputes: rows }
  context.output.result(value, () => (rows.length === 0 ? [] : lines(rows)))
  if (rows.length === 0) context.output.note('no version in this folder is disputed')
}

type Row = DisputeListResult['disputes'][number]

function describe(id: Uint8Array, line: Dispute, opening: DisputeOpening | null, statement: string | null, reason: string | null): Row {
  return {
    dispute: toHex(id),
    status: line.status,
    height: line.height,
    dueMs: line.due,
    late: line.status === 'open' && line.due <= Date.now(),
    record: opening === null ? null : toHex(opening.recordId),
    version: opening?.version ?? null,
    statement,
    reason,
    submission: line.status === 'accepted' && line.answer !== null ? toHex(line.answer) : null,
    answeredHeight: line.answered === 0 ? null : line.answered,
    delegation: line.delegation === null ? null : toHex(line.delegation),
  }
}

function lines(rows: readonly Row[]): string[] {
  const [head, ...body] = table([
    ['dispute', 'record', 'version', 'state'],
    ...rows.map(({ dispute, record, version, status, dueMs, late }) => [
      dispute.slice(0, 16),
      record?.slice(0, 16) ?? '?',
      version === null ? '?' : String(version),
      status === 'open' ? `open, to be answered by ${formatDay(dueMs)}${late ? ': LATE' : ''}` : status,
    ]),
  ]) as [string, ...string[]]
  return [
    head,
    ...body.flatMap((text, i) => {
      const { statement, reason, submission, delegation } = rows[i] as Row
      return [
        text,
        ...(delegation === null ? [] : [`    by a delegate, on the owner's behalf, under ${delegation.slice(0, 16)}`]),
        ...(statement === null ? ['    no custodian that answered has the statement'] : [`    statement: ${printable(statement)}`]),
        ...(reason === null ? [] : [`    refused because: ${printable(reason)}`]),
        ...(submission === null ? [] : [`    the new version is in submission ${submission.slice(0, 16)}`]),
      ]
    }),
  ]
}
