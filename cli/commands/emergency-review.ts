/** `epione emergency review` */
import { resolve } from 'node:path'
import { closeReview } from '../../src/client/emergency.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { readBoundedFile } from '../../src/node/config-file.ts'
import type { Context } from '../context.ts'
import { withPerson } from '../person-session.ts'
import { idBytes } from '../wallet-session.ts'

export interface EmergencyReviewOptions {
  folder: string
  outcome: 'justified' | 'not-justified'
  /** File with what the patient is to read. */
  commentFile?: string
}

/** Longest comment, in characters. */
const MAX_COMMENT = 1000

export async function emergencyReview(context: Context, options: EmergencyReviewOptions, entry: string): Promise<void> {
  const { signal, output } = context
  const { outcome, commentFile } = options
  const comment = commentFile === undefined ? '' : ((await readBoundedFile(resolve(commentFile), 4 * MAX_COMMENT)) ?? '').trim()
  if (comment.length > MAX_COMMENT) throw new EpioneError('invalid-argument', `a comment has at most ${MAX_COMMENT} characters`)
  const input = { folder: idBytes(options.folder), entry: idBytes(entry), outcome, comment }
  await withPerson(context, async ({ peer, person }) => {
    const { committed, stored } = await closeReview(peer, person, input, { signal })
    const value = { status: 'committed', entry: toHex(input.entry), folder: toHex(input.folder), outcome, stored, height: committed.height }
    output.result(value, () => [`the review is closed: ${outcome}; the patient can read it`])
    if (stored === 0) output.warn('no custodian took the outcome for the patient: they see that it is closed, and not how')
  })
}
