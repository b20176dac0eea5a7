/** Receipts and laggards of erasures, in words and for programs. */
import type { ErasureProgress, ErasureStatus } from '../src/client/erase.ts'
import { toHex } from '../src/encoding/bytes.ts'
import { count, printable } from './format.ts'
import { table } from './output.ts'

/** Signatures and laggards, as `--json` prints them. */
export interface ErasureReport {
  /** `erased` once every custodian that may hold something of it has signed. */
  status: ErasureStatus['status']
  /** Custodians that were asked. */
  custodians: number
  laggards: readonly { id: string; name: string; missing: number; reason: string }[]
}

export function erasureReport({ status, receipts, laggards, marks }: ErasureStatus): ErasureReport {
  const signed = new Set(receipts.map(({ custodian }) => toHex(custodian.id)))
  const late = laggards.map(({ custodian }) => toHex(custodian.id))
  return {
    status,
    custodians: marks.length === 0 ? 0 : new Set([...signed, ...late]).size,
    laggards: laggards.map(({ custodian, missing, code }) => ({
      id: toHex(custodian.id),
      name: custodian.organisation.name,
      missing,
      reason: code,
    })),
  }
}

const REASONS: Readonly<Record<string, string>> = {
  pending: 'answers, and is not through yet',
  'invalid-proof': 'sent a receipt that does not hold',
}

export function reportLines({ custodians, laggards }: ErasureReport): string[] {
  const signed = custodians - laggards.length
  return [
    `receipts     ${signed} of ${count(custodians, 'custodian')} signed that nothing of it is left with them`,
    ...(laggards.length === 0
      ? []
      : [
          '',
          ...table([
            ['waiting for', 'versions', 'because'],
            ...laggards.map(({ name, missing, reason }) => [
              printable(name),
              String(missing),
              REASONS[reason] === undefined ? `it does not answer (${reason})` : REASONS[reason],
            ]),
          ]),
        ]),
  ]
}

export function progressLine({ phase, done, total }: ErasureProgress): string {
  return phase === 'ordering' ? `ordered ${done} of ${total}` : `${done} of ${count(total, 'custodian')} signed`
}
