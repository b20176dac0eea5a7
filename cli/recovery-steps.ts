/** Folders on their way to other keys, as commands print them. */
import type { RecoveryStep } from '../src/client/recovery.ts'
import { toHex } from '../src/encoding/bytes.ts'
import { formatInstant } from './format.ts'

export interface StepResult {
  folder: string
  status: RecoveryStep['status']
  /** When it may be finished, in ms since the epoch; null where nothing is pending. */
  endsMs: number | null
  /** Whether the present owner can do nothing against it. */
  final: boolean
  code: string | null
}

export function stepResult({ id, status, ends, isFinal, code }: RecoveryStep): StepResult {
  return { folder: toHex(id), status, endsMs: ends, final: isFinal, code }
}

export function stepLine({ folder, status, endsMs, final, code }: StepResult): string {
  const words: Record<StepResult['status'], string> = {
    pending: `may be finished from ${formatInstant(endsMs ?? 0)} on${final ? '; its owner cannot object any more' : ', unless its owner objects'}`,
    finished: 'recovered: it is yours',
    refused: `refused (${code})`,
    none: 'not pending: its owner objected, or it was cancelled; start it again',
  }
  return `${folder}  ${words[status]}`
}
