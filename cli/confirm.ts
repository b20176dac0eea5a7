/** A question before what cannot be undone. */
import { EpioneError } from '../src/encoding/errors.ts'
import type { Context } from './context.ts'
import { canPrompt } from './secrets.ts'

/** Demands that somebody can be asked, or has said yes on the command line. @throws EpioneError `missing-option` */
export function assertConfirmable(context: Context, yes: boolean, why = 'this cannot be undone'): void {
  if (yes || (canPrompt(context) && !context.output.json)) return
  throw new EpioneError('missing-option', `${why} and nobody can be asked here; say --yes to do it without a question`)
}

/** Asks, unless yes was said on the command line. @throws EpioneError `interrupted` where the answer is no */
export async function confirmed(context: Context, yes: boolean, question: string, otherwise = 'nothing was erased'): Promise<void> {
  if (yes) return
  const { confirm, isCancel } = await import('@clack/prompts')
  const answer = await confirm({
    message: question,
    initialValue: false,
    input: context.stdin,
    output: process.stderr,
    signal: context.signal,
  })
  if (isCancel(answer) || !answer) throw new EpioneError('interrupted', otherwise)
}
