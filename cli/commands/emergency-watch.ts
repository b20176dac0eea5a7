/** `epione emergency watch` */
import { decodeEmergencyCard } from '../../src/client/emergency.ts'
import { type FolderEmergency, listEmergencies, reviewState, watchEmergencies } from '../../src/client/emergency-watch.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { readCode } from '../codes.ts'
import type { Context } from '../context.ts'
import { formatInstant, printable } from '../format.ts'
import { connect } from '../network.ts'
import { organisationName } from '../plain-consent.ts'
import { withOwnedFolder } from '../wallet-session.ts'

export interface EmergencyWatchOptions {
  /** One of folder (of the own wallet) and card is given. */
  folder?: string
  card?: string
  /** Ends after what there is, instead of waiting for more. */
  once?: boolean
}

export async function emergencyWatch(context: Context, options: EmergencyWatchOptions): Promise<void> {
  if (options.card === undefined) {
    await withOwnedFolder(context, options.folder ?? '', async ({ peer, owned }) => await watch(context, options, peer, owned.id))
    return
  }
  const card = decodeEmergencyCard(await readCode(context, options.card, 'epione-emergency:'))
  await using peer = await connect(context, card.chainId)
  if (!equalBytes(peer.chainId, card.chainId)) throw new EpioneError('other-chain', 'the card is for another network')
  await watch(context, options, peer, card.folder)
}

async function watch(context: Context, { once }: EmergencyWatchOptions, peer: LightPeer, folder: Uint8Array): Promise<void> {
  const { signal, output } = context
  const members = await peer.members({ signal })
  const { reviewMs } = peer.parameters.emergency
  const words = (emergency: FolderEmergency, nowMs: number): string => {
    const who = printable(organisationName(emergency.organisation, members))
    const by = toHex(emergency.clinician).slice(0, 16)
    const review = reviewState(emergency, reviewMs, nowMs)
    const opened = `EMERGENCY ${formatInstant(emergency.time)} ${who} opened the folder until ${formatInstant(emergency.until)}, clinician ${by}`
    return `${opened}, review ${review}, entry ${toHex(emergency.entry)}`
  }
  if (once === true) {
    const { emergencies, asOf } = await listEmergencies(peer, folder, { signal })
    output.result({ folder: toHex(folder), emergencies: emergencies.map(each => describe(each, reviewMs, asOf.time)) }, () =>
      emergencies.map(each => words(each, asOf.time)),
    )
    if (emergencies.length === 0) output.note('nobody has broken the glass of this folder')
    return
  }
  output.note('watching; end it with Ctrl-C')
  for await (const emergency of watchEmergencies(peer, folder, { signal })) {
    const now = peer.now()
    output.item(describe(emergency, reviewMs, now), () => words(emergency, now))
  }
}

function describe(emergency: FolderEmergency, reviewMs: number, nowMs: number) {
  const { entry, organisation, clinician, time, until, height, review } = emergency
  return {
    entry: toHex(entry),
    organisation: toHex(organisation),
    clinician: toHex(clinician),
    timeMs: time,
    untilMs: until,
    height,
    review: reviewState(emergency, reviewMs, nowMs),
    reviewer: review === null ? null : toHex(review.reviewer),
  }
}
