/** Break-glass in an access log: why, by which clinician, and how it was reviewed. */
import { listEmergencies, type ReviewState, readReview, reviewState } from '../src/client/emergency-watch.ts'
import type { OwnedFolder, Wallet } from '../src/client/folders.ts'
import type { LightPeer } from '../src/client/light-peer.ts'
import type { EmergencyReason } from '../src/contracts/emergency-formats.ts'
import { toHex } from '../src/encoding/bytes.ts'
import { printable } from './format.ts'

/** What is known of one break-glass; the outcome and its comment are null where no custodian that answered keeps them. */
export interface EmergencyLine {
  reason: EmergencyReason | null
  clinician: string
  review: ReviewState
  outcome: 'justified' | 'not-justified' | null
  comment: string | null
}

/** Every break-glass of a folder, by its access entry in hex; the reason comes with the entry's opening. */
export async function readCases(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  signal: AbortSignal,
): Promise<Map<string, Omit<EmergencyLine, 'reason'>>> {
  const { emergencies, asOf } = await listEmergencies(peer, owned.id, { signal })
  const { reviewMs } = peer.parameters.emergency
  const cases = emergencies.map(async (emergency): Promise<[string, Omit<EmergencyLine, 'reason'>]> => {
    const opening = await readReview(peer, wallet, owned, emergency, { signal })
    const { outcome, comment } = opening ?? { outcome: null, comment: null }
    const review = reviewState(emergency, reviewMs, asOf.time)
    return [toHex(emergency.entry), { clinician: toHex(emergency.clinician), review, outcome, comment }]
  })
  return new Map(await Promise.all(cases))
}

export function reviewWords({ review, outcome, comment }: EmergencyLine): string {
  if (review !== 'closed') return `none, review ${review}`
  const said = comment === null || comment === '' ? '' : `: ${printable(comment)}`
  return `none, reviewed: ${outcome ?? 'closed'}${said}`
}
