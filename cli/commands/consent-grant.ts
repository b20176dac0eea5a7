/** `epione consent grant` */
import { MAX_NOTE_BYTES } from '../../src/client/consent-note.ts'
import { scanFolders } from '../../src/client/folders.ts'
import { grantSharing, planSharing, type SharingResult } from '../../src/client/sharing.ts'
import type { Grantee } from '../../src/contracts/consent-terms.ts'
import type { Label } from '../../src/contracts/folders-formats.ts'
import { parseHex, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { assertConfirmable, confirmed } from '../confirm.ts'
import type { Context } from '../context.ts'
import { count } from '../format.ts'
import { granteeWords, provisionWords } from '../plain-consent.ts'
import { labelWords } from '../plain-preview.ts'
import { qrLines } from '../qr.ts'
import { decisionOf, readCard, recipientOf, type SharingOptions } from '../sharing-options.ts'
import { showPreview } from '../sharing-preview.ts'
import { withWallet } from '../wallet-session.ts'

export interface ConsentGrantOptions extends SharingOptions {
  qr?: boolean
  yes?: boolean
  /** Id of a decision that was granted in part. */
  resume?: string
}

/** What `--json` prints. */
export interface ConsentGrantResult {
  status: 'committed'
  /** The decision, of which each consent is a part: what `epione sharing revoke` takes. */
  sharing: string
  /** What the grantee needs to read, in one code for all folders. */
  share: string
  /** The one consent and its folder; null where there are several. */
  consent: string | null
  folder: string | null
  consents: readonly {
    consent: string
    folder: string
    label: Label
    /** Custodians that hold the grant; null where it was granted before. */
    stored: number | null
    height: number
  }[]
  grantee: { kind: Grantee['type']; organisation: string; key: string | null; role: string | null }
  note: string
  /** In ms since the epoch, end excluded. */
  validity: { start: number; end: number }
  /** Custodians that hold the grant: the fewest of any folder. */
  stored: number
  /** Height of the last grant. */
  height: number
}

export async function consentGrant(context: Context, options: ConsentGrantOptions): Promise<void> {
  const { signal, output } = context
  const yes = options.yes === true
  assertConfirmable(context, yes, 'somebody will be able to read')
  const card = await readCard(context, options)
  const note = options.note ?? card?.name ?? ''
  if (new TextEncoder().encode(note).length > MAX_NOTE_BYTES) {
    throw new EpioneError('invalid-argument', `a note has at most ${MAX_NOTE_BYTES} bytes`)
  }
  await withWallet(context, async ({ peer, wallet }) => {
    const { grantee, sealingKey, role } = await recipientOf(context, peer, card, options)
    const { folders } = await scanFolders(peer, wallet, { signal })
    const decision = await decisionOf(context, peer, grantee, folders, options)
    const planned = planSharing(folders, decision)
    const members = await peer.members({ signal })
    const [{ provision }] = planned as [(typeof planned)[number]]
    const words = `${granteeWords(grantee, note, members)} ${provisionWords(provision, members)}`
    if (!yes) {
      await showPreview(context, peer, wallet, { decision, folders, role, note })
      output.note(words)
      await confirmed(context, yes, `Grant this on ${count(planned.length, 'folder')}?`, 'nothing was granted')
    }
    const sharing = options.resume === undefined ? {} : { sharing: sharingId(options.resume) }
    const result = await grantSharing(peer, wallet, { decision, folders, note, sealingKeyOf: () => sealingKey, ...sharing }, { signal })
    const { granted, failed } = result
    if (granted.length === 0) throw failed[0]?.error
    const value = resultOf(result, grantee, note, provision.validity ?? { start: 0, end: 0 })
    const qr = options.qr === true ? await qrLines(value.share) : []
    output.result(value, () => [...qr, value.share])
    output.note(words)
    if (value.consents.length > 1 || options.folder === undefined) {
      output.note(`granted on: ${value.consents.map(({ folder, label }) => `${folder.slice(0, 16)} (${labelWords(label)})`).join(', ')}`)
    }
    const revoke = `epione sharing revoke ${value.sharing}`
    output.note(`hand over the share code; take the consent back with: ${revoke}`)
    if (failed.length > 0) {
      throw new EpioneError(
        'sharing-incomplete',
        `${count(failed.length, 'folder')} could not be shared (${[...new Set(failed.map(({ code }) => code))].join(', ')}); the same command with --resume ${value.sharing} goes on`,
        { metadata: { sharing: value.sharing, granted: granted.length, failed: failed.length } },
      )
    }
  })
}

/** Id of a decision. @throws EpioneError `invalid-argument` */
export function sharingId(hex: string): Uint8Array {
  const bytes = parseHex(hex)
  if (bytes?.length !== 16) throw new EpioneError('invalid-argument', `${hex} is no id of a sharing decision: 32 hex digits`)
  return bytes
}

function resultOf(
  { sharing, granted, shares }: SharingResult,
  grantee: Grantee,
  note: string,
  validity: { start: number; end: number },
): ConsentGrantResult {
  const consents = granted.map(({ consent, owned, stored, height }) => ({
    consent: toHex(consent),
    folder: toHex(owned.id),
    label: owned.label,
    stored,
    height,
  }))
  const [only, ...more] = consents
  return {
    status: 'committed',
    sharing: toHex(sharing),
    share: shares[0]?.share ?? '',
    consent: more.length === 0 ? (only?.consent ?? null) : null,
    folder: more.length === 0 ? (only?.folder ?? null) : null,
    consents,
    grantee: {
      kind: grantee.type,
      organisation: toHex(grantee.value.organisation),
      key: grantee.type === 'person' ? toHex(grantee.value.key) : null,
      role: grantee.type === 'role' ? grantee.value.role : null,
    },
    note,
    validity,
    stored: Math.min(...consents.flatMap(({ stored }) => (stored === null ? [] : [stored]))),
    height: Math.max(...consents.map(({ height }) => height)),
  }
}
