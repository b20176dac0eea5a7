/** `epione enroll accept` */
import { decodeEnrolment, openFolders } from '../../src/client/folders.ts'
import { SPREAD_MS } from '../../src/client/spread.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { readCode } from '../codes.ts'
import type { Context } from '../context.ts'
import { addFolders } from '../folder-book.ts'
import { homeOf } from '../home.ts'
import { table } from '../output.ts'
import { withPerson } from '../person-session.ts'
import { createProgress } from '../progress.ts'

export interface EnrollAcceptOptions {
  policy?: string
  /** Open all folders at once. */
  now?: boolean
}

/** What `--json` prints. */
export interface EnrollAcceptResult {
  /** `height` is null for a folder that the organisation's node opens later, by `openBy` (ISO 8601) at the latest. */
  folders: readonly { folder: string; ownerKeyHash: string; label: string; height: number | null; openBy: string | null }[]
}

export async function enrollAccept(context: Context, options: EnrollAcceptOptions, offer: string): Promise<void> {
  const { signal, output } = context
  const enrolment = decodeEnrolment(await readCode(context, offer, 'epione-enrolment:'))
  const home = homeOf(context)
  await withPerson(context, async ({ peer, person }) => {
    if (!equalBytes(enrolment.organisation, person.organisation)) {
      throw new EpioneError('bad-enrolment', `the offer is for organisation ${toHex(enrolment.organisation)}, not for this one`)
    }
    const progress = createProgress(context)
    const opened: EnrollAcceptResult['folders'][number][] = []
    try {
      // One after the other, each noted at once: what is open is in the book, whatever becomes of the rest.
      for (const [n, folder] of enrolment.folders.entries()) {
        progress.show(() => `opening folder ${opened.length + 1} of ${enrolment.folders.length}`)
        const { folders, committed, later } = await openFolders(
          peer,
          person,
          { ...enrolment, folders: [folder] },
          {
            signal,
            spreadMs: n === 0 || options.now === true ? 0 : SPREAD_MS,
            ...(options.policy === undefined ? {} : { policy: options.policy }),
          },
        )
        await addFolders(home, folders)
        for (const { id, label } of folders) {
          const byMs = later[0]?.byMs
          opened.push({
            folder: toHex(id),
            ownerKeyHash: toHex(folder.ownerKeyHash),
            label,
            height: committed[0]?.height ?? null,
            openBy: byMs === undefined ? null : new Date(byMs).toISOString(),
          })
        }
      }
    } finally {
      progress.clear()
    }
    const value: EnrollAcceptResult = { folders: opened }
    output.result(value, () =>
      table(opened.map(({ folder, label, openBy }) => [folder, label, openBy === null ? 'open' : `opens by ${openBy}`])),
    )
    if (opened.some(({ openBy }) => openBy !== null))
      output.note(
        "folders that came together would tell that they are one person's: the later ones open within the hour; --now opens all at once",
      )
    output.note('write into a folder with: epione record put <file> --folder <id>; the wallet finds it with: epione enroll list')
  })
}
