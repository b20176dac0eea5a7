/** `epione notices list` and `epione notices acknowledge` */
import { acknowledgeNotice, type WaitingNotice, waitingNotices } from '../../src/client/notices.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import type { Context } from '../context.ts'
import { count, formatInstant } from '../format.ts'
import { table } from '../output.ts'
import { withPerson } from '../person-session.ts'

/** What `--json` prints. */
export interface NoticesResult {
  notices: readonly {
    notice: string
    folder: string
    record: string
    version: number
    status: 'open' | 'accepted' | 'refused' | 'withdrawn'
    /** The submission with the new version, where the author accepted. */
    submission: string | null
    receivedMs: number
  }[]
}

export async function noticesList(context: Context): Promise<void> {
  const { signal, output } = context
  await withPerson(context, async ({ peer, person }) => {
    const value = describe(await waitingNotices(peer, person, { signal }))
    output.result(value, () => (value.notices.length === 0 ? [] : lines(value)))
    if (value.notices.length === 0) output.note('no notices wait for you')
  })
}

/** @param id a notice; all that wait, if left out */
export async function noticesAcknowledge(context: Context, _options: unknown, id: string | undefined): Promise<void> {
  const { signal, output } = context
  await withPerson(context, async ({ peer, person }) => {
    const waiting = await waitingNotices(peer, person, { signal })
    const chosen = id === undefined ? waiting : waiting.filter(notice => toHex(notice.id) === id)
    if (chosen.length === 0) throw new EpioneError('not-found', 'No such notice waits for you.')
    for (const notice of chosen) await acknowledgeNotice(peer, person, notice, { signal })
    const value = describe(chosen)
    output.result(value, () => [`signed that you saw ${count(chosen.length, 'notice')}:`, ...lines(value)])
  })
}

function describe(notices: readonly WaitingNotice[]): NoticesResult {
  return {
    notices: notices.map(({ id, notice, folder, recordId, version, received }) => ({
      notice: toHex(id),
      folder: toHex(folder),
      record: toHex(recordId),
      version,
      status: notice.status,
      submission: notice.submissionRoot === null ? null : toHex(notice.submissionRoot),
      receivedMs: received,
    })),
  }
}

const MEANING = {
  open: 'the patient says that what you read is wrong',
  accepted: 'what you read was wrong; there is a new version',
  refused: 'the patient says that what you read is wrong, its author that it is right',
  withdrawn: 'the patient said that what you read is wrong, and has taken that back',
} as const

function lines({ notices }: NoticesResult): string[] {
  return table([
    ['notice', 'came', 'folder', 'record', 'version', ''],
    ...notices.map(({ notice, receivedMs, folder, record, version, status }) => [
      notice.slice(0, 16),
      formatInstant(receivedMs),
      folder.slice(0, 16),
      record.slice(0, 16),
      String(version),
      MEANING[status],
    ]),
  ])
}
