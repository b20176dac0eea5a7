/** What the ledger shows of break-glass: of a folder, to whoever knows its id; of an organisation's clinicians, to everybody. */
import {
  type Clinician,
  clinicianCodec,
  type Emergency,
  emergencyCodec,
  type ReviewOpening,
  reviewCommitment,
  reviewOpeningCodec,
} from '../contracts/emergency-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { sealingContext } from '../fragments/formats.ts'
import { folderRequestCodec, reviewResponseCodec } from '../network/light-messages.ts'
import { PROTOCOL } from '../network/protocols.ts'
import { signAsk } from './folder-ask.ts'
import { folderCustodians } from './folder-custodians.ts'
import { folderOpener, folderOwnerKey, type OwnedFolder, type Wallet } from './folders.ts'
import type { AsOf, LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/** One break-glass of a folder. */
export interface FolderEmergency extends Emergency {
  readonly folder: Uint8Array
  /** Its access entry. */
  readonly entry: Uint8Array
}

export type ReviewState = 'open' | 'overdue' | 'closed'

/** How it stands with a review at a time of the chain. */
export function reviewState({ review, time }: Pick<Emergency, 'review' | 'time'>, reviewMs: number, nowMs: number): ReviewState {
  if (review !== null) return 'closed'
  return time + reviewMs <= nowMs ? 'overdue' : 'open'
}

/** Every break-glass of a folder, proven complete, the newest last. */
export async function listEmergencies(
  peer: LightPeer,
  folder: Uint8Array,
  options: CallOptions = {},
): Promise<{ emergencies: FolderEmergency[]; asOf: AsOf }> {
  const { entries, asOf } = await peer.list(stateKey.emergencies(folder), options)
  const emergencies = entries.map(([key, value]) => ({ folder, entry: key.slice(33), ...emergencyCodec.decode(value) }))
  return { emergencies: emergencies.sort((a, b) => a.height - b.height || a.time - b.time), asOf }
}

/**
 * Every break-glass of a folder and every review that closes one, as they come: those that are there already first, unless `fresh`. It
 * ends with the signal alone, by throwing its reason.
 */
export async function* watchEmergencies(
  peer: LightPeer,
  folder: Uint8Array,
  options: CallOptions & { fresh?: boolean } = {},
): AsyncGenerator<FolderEmergency> {
  /** Entries that were told of, and whether with their review. */
  const told = new Map<string, boolean>()
  for (let first = true; ; first = false) {
    const { emergencies, asOf } = await listEmergencies(peer, folder, options)
    for (const emergency of emergencies) {
      const name = toHex(emergency.entry)
      const isClosed = emergency.review !== null
      if (told.get(name) === isClosed) continue
      told.set(name, isClosed)
      if (!first || options.fresh !== true) yield emergency
    }
    await peer.waitAbove(asOf.height, options)
  }
}

/** How often somebody breaks the glass, and how it stands with the reviews. */
export interface ClinicianRate {
  readonly clinician: Uint8Array
  /** Folders opened on the present day, and within the last 30. */
  readonly today: number
  readonly month: number
  readonly closed: number
  /** Reviews that wait, the overdue ones among them. */
  readonly waiting: Clinician['open']
  readonly overdue: number
}

/** The rates of all of an organisation's people who ever broke the glass, proven complete. */
export async function clinicianRates(
  peer: LightPeer,
  organisation: Uint8Array,
  options: CallOptions = {},
): Promise<{ rates: ClinicianRate[]; asOf: AsOf }> {
  const { entries, asOf } = await peer.list(stateKey.clinicians(organisation), options)
  const { reviewMs } = peer.parameters.emergency
  const today = Math.floor(asOf.time / DAY_MS)
  const rates = entries.map(([key, value]) => {
    const { days, open, reviewed } = clinicianCodec.decode(value)
    const recent = days.filter(({ day }) => day > today - 30)
    return {
      clinician: key.slice(33),
      today: recent.find(({ day }) => day === today)?.opened ?? 0,
      month: recent.reduce((sum, { opened }) => sum + opened, 0),
      closed: reviewed,
      waiting: open,
      overdue: open.filter(({ time }) => time + reviewMs <= asOf.time).length,
    }
  })
  return { rates, asOf }
}

/** What a review says, for the owner; null where no custodian that answered has it. */
export async function readReview(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  emergency: FolderEmergency,
  options: CallOptions = {},
): Promise<ReviewOpening | null> {
  const { review, entry } = emergency
  if (review === null) return null
  const key = folderOwnerKey(wallet, owned)
  const context = sealingContext.emergencyReview(peer.chainId, owned.id, entry)
  for (const custodian of await folderCustodians(peer, owned.id, owned.folder, options)) {
    const ask = await signAsk(peer, key, { folder: owned.id, consent: null, custodian })
    const request = folderRequestCodec.encode({ type: 'get-review', value: { ...ask, entry } })
    try {
      const bytes = await peer.nodes.request(custodian.organisation.networkKey, PROTOCOL.folder, request, {
        ...options,
        maxResponse: reviewResponseCodec.maxBytes,
      })
      const { sealed } = reviewResponseCodec.decode(bytes)
      for (let epoch = owned.folder.epoch; epoch >= 0; epoch--) {
        const opening = openReview(() => folderOpener(wallet, owned, epoch).open(sealed, context))
        if (opening !== null && equalBytes(reviewCommitment(opening), review.commitment)) return opening
      }
    } catch {
      options.signal?.throwIfAborted()
    }
  }
  return null
}

function openReview(open: () => Uint8Array): ReviewOpening | null {
  try {
    return reviewOpeningCodec.decode(open())
  } catch {
    // Sealed to another epoch's key, or not what an organisation that keeps its word leaves.
    return null
  }
}
