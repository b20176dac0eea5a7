/** `epione dispute answer` */
import { resolve } from 'node:path'
import { answerDispute, authorDisputes } from '../../src/client/disputes.ts'
import { MAX_STATEMENT } from '../../src/contracts/disputes-formats.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { assertConfirmable, confirmed } from '../confirm.ts'
import type { Context } from '../context.ts'
import { readText } from '../files.ts'
import { printable } from '../format.ts'
import { withPerson } from '../person-session.ts'
import { idBytes } from '../wallet-session.ts'

export interface DisputeAnswerOptions {
  folder: string
  /** Exactly one of these: the submission with the new version, or a file with the reason. */
  accept?: string
  refuse?: string
  yes?: boolean
}

/** What `--json` prints. */
export interface DisputeAnswerResult {
  dispute: string
  status: 'accepted' | 'refused'
  height: number
}

export async function disputeAnswer(context: Context, options: DisputeAnswerOptions, id: string): Promise<void> {
  const { signal, output } = context
  const { accept, refuse } = options
  if ((accept === undefined) === (refuse === undefined)) {
    throw new EpioneError(
      accept === undefined ? 'missing-option' : 'conflicting-option',
      'say --accept <submission>, or --refuse <file>, and not both',
    )
  }
  assertConfirmable(context, options.yes === true)
  const reason = refuse === undefined ? null : (await readText(resolve(refuse), 4 * MAX_STATEMENT)).trim()
  await withPerson(context, async ({ peer, person }) => {
    const dispute = (await authorDisputes(peer, person, idBytes(options.folder), { signal })).find(one => toHex(one.id) === id)
    if (dispute === undefined) throw new EpioneError('not-found', 'There is nothing here under this name.')
    output.note(`the patient says of record ${toHex(dispute.opening.recordId).slice(0, 16)}, version ${dispute.opening.version}:`)
    for (const line of dispute.statement.split('\n')) output.note(`  ${printable(line)}`)
    if (accept !== undefined)
      output.note(
        `You accept this for your organisation: what is right is in submission ${accept.slice(0, 16)}. That cannot be taken back.`,
      )
    else output.note('You refuse for your organisation. The statement stays with the version, and your reason beside it.')
    await confirmed(context, options.yes === true, 'Answer so?')
    const answer = accept === undefined ? { refused: reason as string } : { accepted: idBytes(accept) }
    const committed = await answerDispute(peer, person, dispute, answer, { signal })
    const value: DisputeAnswerResult = { dispute: id, status: accept === undefined ? 'refused' : 'accepted', height: committed.height }
    output.result(value, () => [`${value.status}, at height ${value.height}`])
  })
}
