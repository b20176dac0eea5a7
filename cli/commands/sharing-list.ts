/** `epione sharing list` */
import { listSharings, type OwnedSharing } from '../../src/client/sharing.ts'
import type { Label } from '../../src/contracts/folders-formats.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { type ConsentStatus, consentStatus } from '../consent-status.ts'
import type { Context } from '../context.ts'
import { type AsOfResult, asOfResult, count, formatDay } from '../format.ts'
import { granteeWords, listWords, type NamedMember, provisionWords } from '../plain-consent.ts'
import { labelWords } from '../plain-preview.ts'
import { withWallet } from '../wallet-session.ts'

export interface SharingListOptions {
  all?: boolean
}

/** What `--json` prints. */
export interface SharingListResult {
  sharings: readonly {
    sharing: string
    /** `active` where any consent of it is, then `pending`. */
    status: ConsentStatus
    note: string
    /** When it was decided, by the clock of the wallet's device, in ms since the epoch. */
    decidedMs: number
    consents: readonly { consent: string; folder: string; label: Label; status: ConsentStatus }[]
    /** In plain words. */
    words: string
  }[]
  /** Consents whose notes no custodian that answered has. */
  unreadable: number
  /** What the answer was proven against: a certified header. */
  asOf: AsOfResult
}

export async function sharingList(context: Context, options: SharingListOptions): Promise<void> {
  const { signal, output } = context
  await withWallet(context, async ({ peer, wallet }) => {
    const { sharings, unreadable } = await listSharings(peer, wallet, { signal })
    const members = await peer.members({ signal })
    const { header, asOf } = await peer.head({ signal })
    const rows = sharings.map(sharing => row(sharing, header.time, members))
    const shown = rows.filter(({ status }) => options.all === true || status === 'active' || status === 'pending')
    const value: SharingListResult = { sharings: shown, unreadable, asOf: asOfResult(asOf) }
    output.result(value, () => shown.flatMap(({ sharing, status, words }) => [`${sharing}  ${status}`, `  ${words}`]))
    if (shown.length === 0) output.note('no sharing decision is in force')
    if (rows.length > shown.length) output.note(`${rows.length - shown.length} ended; --all shows them`)
    if (unreadable > 0) {
      output.warn(`${count(unreadable, 'consent')} of which no custodian that answered has the terms; they are not shown here`)
    }
  })
}

const ORDER: readonly ConsentStatus[] = ['active', 'pending', 'expired', 'revoked']

function row(
  { id, note, time, consents }: OwnedSharing,
  timeMs: number,
  members: readonly NamedMember[],
): SharingListResult['sharings'][number] {
  const parts = consents.map(({ owned, consent }) => ({
    consent: toHex(consent.id),
    folder: toHex(owned.id),
    label: owned.label,
    status: consentStatus(consent, timeMs),
  }))
  const status = ORDER.find(one => parts.some(part => part.status === one)) ?? 'revoked'
  const labels = listWords([...new Set(parts.map(({ label }) => labelWords(label)))])
  const terms = consents.find(({ consent }) => consent.provision !== null)?.consent.provision
  const who = terms == null ? 'somebody' : `${granteeWords(terms.grantee, note, members)} ${provisionWords(terms, members)}`
  return {
    sharing: toHex(id),
    status,
    note,
    decidedMs: time,
    consents: parts,
    words: `${who}: ${labels} in ${count(parts.length, 'folder')}, decided ${formatDay(time)}`,
  }
}
