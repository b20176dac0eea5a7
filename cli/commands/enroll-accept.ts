/** `epione enroll accept` */
import { decodeEnrolment, openFolders } from '../../src/client/folders.ts'
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
}

/** What `--json` prints. */
export interface EnrollAcceptResult {
  folders: readonly { folder: string; ownerKeyHash: string; label: string; height: number }[]
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
      for (const folder of enrolment.folders) {
        progress.show(() => `opening folder ${opened.length + 1} of ${enrolment.folders.length}`)
        const { folders, committed } = await openFolders(
          peer,
          person,
          { ...enrolment, folders: [folder] },
          { signal, ...(options.policy === undefined ? {} : { policy: options.policy }) },
        )
        await addFolders(home, folders)
        for (const [i, { id, label }] of folders.entries()) {
          opened.push({ folder: toHex(id), ownerKeyHash: toHex(folder.ownerKeyHash), label, height: committed[i]?.height ?? 0 })
        }
      }
    } finally {
      progress.clear()
    }
    const value: EnrollAcceptResult = { folders: opened }
    output.result(value, () => table(opened.map(({ folder, label }) => [folder, label])))
    output.note('write into a folder with: epione record put <file> --folder <id>; the wallet finds it with: epione enroll list')
  })
}
