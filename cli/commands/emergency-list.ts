/** `epione emergency list` */
import { type ClinicianRate, clinicianRates } from '../../src/client/emergency-watch.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Context } from '../context.ts'
import { type AsOfResult, asOfResult, formatInstant, printable } from '../format.ts'
import { connect } from '../network.ts'
import { table } from '../output.ts'
import { idBytes } from '../wallet-session.ts'

export interface EmergencyListOptions {
  organisation?: string
  /** Print the reviews that wait, one a line. */
  waiting?: boolean
}

/** What `--json` prints. */
export interface EmergencyListResult {
  clinicians: readonly {
    organisation: { id: string; name: string }
    /** Name by which the ledger counts a clinician: a hash of organisation and key. */
    clinician: string
    openedToday: number
    opened30Days: number
    reviewsClosed: number
    reviewsOverdue: number
    waiting: readonly { entry: string; timeMs: number; dueMs: number }[]
  }[]
  asOf: AsOfResult
}

export async function emergencyList(context: Context, options: EmergencyListOptions): Promise<void> {
  const { signal, output } = context
  await using peer = await connect(context, null)
  const members = await peer.members({ signal })
  const asked = options.organisation === undefined ? members : [await peer.member(idBytes(options.organisation), { signal })]
  const { reviewMs } = peer.parameters.emergency
  const clinicians: EmergencyListResult['clinicians'][number][] = []
  for (const { id, organisation } of asked) {
    const { rates } = await clinicianRates(peer, id, { signal })
    for (const rate of rates) clinicians.push(describe({ id: toHex(id), name: organisation.name }, rate, reviewMs))
  }
  const value: EmergencyListResult = { clinicians, asOf: asOfResult((await peer.head({ signal })).asOf) }
  output.result(value, () => (options.waiting === true ? waitingLines(value) : rateLines(value)))
  if (clinicians.length === 0) output.note('nobody has broken a glass')
}

function describe(organisation: { id: string; name: string }, rate: ClinicianRate, reviewMs: number) {
  return {
    organisation,
    clinician: toHex(rate.clinician),
    openedToday: rate.today,
    opened30Days: rate.month,
    reviewsClosed: rate.closed,
    reviewsOverdue: rate.overdue,
    waiting: rate.waiting.map(({ entry, time }) => ({
      entry: toHex(entry),
      timeMs: time,
      dueMs: time + reviewMs,
    })),
  }
}

function rateLines({ clinicians }: EmergencyListResult): string[] {
  if (clinicians.length === 0) return []
  return table([
    ['organisation', 'clinician', 'today', '30 days', 'reviews open', 'overdue', 'closed'],
    ...clinicians.map(({ organisation, clinician, openedToday, opened30Days, waiting, reviewsOverdue, reviewsClosed }) => [
      printable(organisation.name),
      clinician.slice(0, 16),
      String(openedToday),
      String(opened30Days),
      String(waiting.length),
      String(reviewsOverdue),
      String(reviewsClosed),
    ]),
  ])
}

function waitingLines({ clinicians }: EmergencyListResult): string[] {
  const rows = clinicians.flatMap(({ organisation, clinician, waiting }) =>
    waiting.map(({ entry, timeMs, dueMs }) => [
      formatInstant(timeMs),
      printable(organisation.name),
      clinician.slice(0, 16),
      `due ${formatInstant(dueMs)}`,
      entry,
    ]),
  )
  return rows.length === 0 ? [] : table([['opened', 'organisation', 'clinician', 'review', 'entry'], ...rows])
}
