/** `epione dispute status` and `epione dispute notify` */
import { listDisputes, spreadDisputes } from '../../src/client/disputes.ts'
import { type NoticedReader, noticeReaders } from '../../src/client/notices.ts'
import type { Dispute } from '../../src/contracts/disputes-formats.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { count, formatInstant, printable } from '../format.ts'
import { table } from '../output.ts'
import { withOwnedFolder } from '../wallet-session.ts'

export interface DisputeStatusOptions {
  folder: string
}

/** What `--json` prints. */
export interface DisputeStatusResult {
  dispute: string
  status: Dispute['status']
  dueMs: number
  late: boolean
  /** Where it goes on: here, or where its version was moved to. */
  present: { folder: string; dispute: string }
  /** Everybody who read the version, as far as custodians that answered have told. */
  readers: readonly {
    organisation: { id: string; name: string }
    key: string | null
    role: string | null
    readMs: number
    /** When their organisation took the notice; null where it did not. */
    noticedMs: number | null
    /** When they signed that they saw it; null where they did not. */
    seenMs: number | null
    code: string | null
  }[]
  /** Custodians that did not answer: who read by them alone is not among the readers. */
  silent: readonly { id: string; name: string }[]
}

export async function disputeNotify(context: Context, options: DisputeStatusOptions, id: string): Promise<ExitCode> {
  return await report(context, options, id, true)
}

export async function disputeStatus(context: Context, options: DisputeStatusOptions, id: string): Promise<ExitCode> {
  return await report(context, options, id, false)
}

/** @returns exit code 5 while somebody who read it has not signed that they know */
async function report(context: Context, options: DisputeStatusOptions, id: string, send: boolean): Promise<ExitCode> {
  const { signal, output } = context
  return await withOwnedFolder(context, options.folder, async ({ peer, wallet, owned }) => {
    const { copied } = await spreadDisputes(peer, wallet, owned, { signal })
    if (copied > 0)
      output.note(`the words of disputes were left ${copied === 1 ? 'once' : `${copied} times`} with custodians that lacked them`)
    const dispute = (await listDisputes(peer, wallet, owned, { signal })).find(one => toHex(one.id) === id)
    if (dispute === undefined) throw new EpioneError('not-found', 'This folder has no such dispute.')
    const { readers, silent, present } = await noticeReaders(peer, wallet, owned, dispute, { signal, send })
    const { line } = present.dispute
    const value: DisputeStatusResult = {
      dispute: id,
      status: line.status,
      dueMs: line.due,
      late: line.status === 'open' && line.due <= Date.now(),
      present: { folder: toHex(present.owned.id), dispute: toHex(present.dispute.id) },
      readers: readers.map(row),
      silent: silent.map(({ id: member, organisation }) => ({ id: toHex(member), name: organisation.name })),
    }
    output.result(value, () => [
      `the dispute is ${value.status}${value.late ? ', and its author is late to answer' : ''}`,
      ...(value.readers.length === 0 ? ['nobody but you has read the version'] : lines(value.readers)),
    ])
    if (value.present.dispute !== id)
      output.note(`its version was moved: it goes on as ${value.present.dispute} in folder ${value.present.folder}`)
    if (silent.length > 0)
      output.warn(`${silent.map(one => printable(one.organisation.name)).join(', ')} did not answer: who read by them alone is not shown`)
    const open = value.readers.filter(({ seenMs }) => seenMs === null).length
    if (open > 0)
      output.note(
        `${count(open, 'reader')} ${open === 1 ? 'has' : 'have'} not signed that they know; leave notices with: epione dispute notify ${id}`,
      )
    return open === 0 ? EXIT.ok : EXIT.unhealthy
  })
}

function row({ organisation, reader, entry, received, seen, code }: NoticedReader): DisputeStatusResult['readers'][number] {
  return {
    organisation: { id: toHex(organisation.id), name: organisation.organisation.name },
    key: reader === null ? null : toHex(reader.key),
    role: reader?.role ?? null,
    readMs: entry.entry.time,
    noticedMs: received,
    seenMs: seen,
    code,
  }
}

function lines(readers: DisputeStatusResult['readers']): string[] {
  return table([
    ['who', 'as', 'at', 'read', 'noticed', 'signed that they know'],
    ...readers.map(({ organisation, key, role, readMs, noticedMs, seenMs, code }) => [
      key === null ? '?' : `key ${key.slice(0, 16)}`,
      role ?? '?',
      printable(organisation.name),
      formatInstant(readMs),
      noticedMs === null ? (code ?? 'not yet') : formatInstant(noticedMs),
      seenMs === null ? 'not yet' : formatInstant(seenMs),
    ]),
  ])
}
