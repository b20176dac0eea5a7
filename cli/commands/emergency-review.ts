/** `epione emergency review` */
import { resolve } from 'node:path'
import { closeReview, waitingCases } from '../../src/client/emergency.ts'
import type { Person } from '../../src/client/identity.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { readBoundedFile } from '../../src/node/config-file.ts'
import type { Context } from '../context.ts'
import { withPerson } from '../person-session.ts'
import { idBytes } from '../wallet-session.ts'

export interface EmergencyReviewOptions {
  /** Where the desk does not know the case any more. */
  folder?: string
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
  const entryId = idBytes(entry)
  await withPerson(context, async ({ peer, person }) => {
    const folder = options.folder === undefined ? await folderOf(peer, person, entryId, signal) : idBytes(options.folder)
    const input = { folder, entry: entryId, outcome, comment }
    const { committed, stored } = await closeReview(peer, person, input, { signal })
    const value = { status: 'committed', entry: toHex(input.entry), folder: toHex(input.folder), outcome, stored, height: committed.height }
    output.result(value, () => [`the review is closed: ${outcome}; the patient can read it`])
    if (stored === 0) output.warn('no custodian took the outcome for the patient: they see that it is closed, and not how')
  })
}

/** The folder that was opened, as the organisation's desk knows it. @throws EpioneError `not-found` */
async function folderOf(peer: LightPeer, person: Person, entry: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  const found = (await waitingCases(peer, person, { signal })).find(known => equalBytes(known.entry, entry))
  if (found === undefined) throw new EpioneError('not-found', 'no break-glass of your organisation under this entry waits for a review')
  return found.folder
}
