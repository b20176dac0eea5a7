/** Grants a decision: says what it means, asks, grants, and prints the codes to hand over. */
import { MAX_NOTE_BYTES } from '../src/client/consent-note.ts'
import type { OwnedFolder, Wallet } from '../src/client/folders.ts'
import type { LightPeer } from '../src/client/light-peer.ts'
import { grantSharing, planSharing, type SharingDecision, type SharingResult } from '../src/client/sharing.ts'
import type { Grantee } from '../src/contracts/consent-terms.ts'
import type { Label } from '../src/contracts/folders-formats.ts'
import { parseHex, toHex } from '../src/encoding/bytes.ts'
import { EpioneError } from '../src/encoding/errors.ts'
import { confirmed } from './confirm.ts'
import type { Context } from './context.ts'
import { count } from './format.ts'
import { granteeWords, provisionWords } from './plain-consent.ts'
import { labelWords } from './plain-preview.ts'
import { qrLines } from './qr.ts'
import { showPreview } from './sharing-preview.ts'

export interface GranteeResult {
  kind: Grantee['type']
  organisation: string
  key: string | null
  role: string | null
}

/** What `--json` prints. */
export interface SharingGrantResult {
  status: 'committed'
  /** The decision, of which each consent is a part: what `epione sharing revoke` takes. */
  sharing: string
  /** What the grantee needs to read, in one code for all folders; of the first where there are several grantees. */
  share: string
  grantee: GranteeResult
  shares: readonly { grantee: GranteeResult; share: string }[]
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
  note: string
  /** Of the first consent, in ms since the epoch, end excluded. */
  validity: { start: number; end: number }
  /** Custodians that hold the grant: the fewest of any folder; null where all of it was granted before. */
  stored: number | null
  /** Height of the last grant. */
  height: number
}

export interface GrantInput {
  readonly decision: SharingDecision
  readonly folders: readonly OwnedFolder[]
  readonly sealingKeyOf: (grantee: Grantee) => Uint8Array | Promise<Uint8Array>
  /** Role of a person, where it is known. */
  readonly role: string | undefined
  readonly note: string
  readonly yes: boolean
  readonly qr: boolean
  /** Id of a decision that was granted in part. */
  readonly resume: string | undefined
  /** Longest pause between two folders, in ms. */
  readonly spread: number | undefined
}

/** Demands a note that can be kept. @throws EpioneError `invalid-argument` */
export function assertNote(note: string): void {
  if (new TextEncoder().encode(note).length > MAX_NOTE_BYTES) {
    throw new EpioneError('invalid-argument', `a note has at most ${MAX_NOTE_BYTES} bytes`)
  }
}

/** Id of a decision. @throws EpioneError `invalid-argument` */
export function sharingId(hex: string): Uint8Array {
  const bytes = parseHex(hex)
  if (bytes?.length !== 16) throw new EpioneError('invalid-argument', `${hex} is no id of a sharing decision: 32 hex digits`)
  return bytes
}

/** @throws EpioneError `sharing-incomplete` where some folders could not be shared; the first reason, where none could */
export async function grantDecision(context: Context, peer: LightPeer, wallet: Wallet, input: GrantInput): Promise<void> {
  const { signal, output } = context
  const { decision, folders, note, role, yes, sealingKeyOf } = input
  const resume = input.resume === undefined ? {} : { sharing: sharingId(input.resume) }
  const spread = input.spread === undefined ? {} : { spreadMs: input.spread }
  const planned = planSharing(folders, decision)
  const members = await peer.members({ signal })
  const terms = planned.map(({ provision }) => `${granteeWords(provision.grantee, note, members)} ${provisionWords(provision, members)}`)
  const words = [...new Set(terms)]
  if (!yes) {
    await showPreview(context, peer, wallet, { decision, folders, role, note })
    for (const line of words) output.note(line)
    await confirmed(
      context,
      yes,
      `Grant this on ${count(new Set(planned.map(({ owned }) => toHex(owned.id))).size, 'folder')}?`,
      'nothing was granted',
    )
  }
  const result = await grantSharing(peer, wallet, { decision, folders, note, sealingKeyOf, ...resume, ...spread }, { signal })
  const { granted, failed } = result
  if (granted.length === 0) throw failed[0]?.error
  const value = resultOf(result, note)
  const codes = value.shares.map(({ share }) => share)
  const qr = input.qr ? (await Promise.all(codes.map(qrLines))).flat() : []
  output.result(value, () => [...qr, ...codes])
  for (const line of words) output.note(line)
  if (decision.folder === undefined) {
    output.note(`granted on: ${value.consents.map(({ folder, label }) => `${folder.slice(0, 16)} (${labelWords(label)})`).join(', ')}`)
  }
  output.note(`hand over the share code; take all of it back with: epione sharing revoke ${value.sharing}`)
  if (failed.length > 0) {
    throw new EpioneError(
      'sharing-incomplete',
      `${count(failed.length, 'folder')} could not be shared (${[...new Set(failed.map(({ code }) => code))].join(', ')}); the same command with --resume ${value.sharing} goes on`,
      { metadata: { sharing: value.sharing, granted: granted.length, failed: failed.length } },
    )
  }
}

export function granteeResult(grantee: Grantee): GranteeResult {
  return {
    kind: grantee.type,
    organisation: toHex(grantee.value.organisation),
    key: grantee.type === 'person' ? toHex(grantee.value.key) : null,
    role: grantee.type === 'role' ? grantee.value.role : null,
  }
}

function resultOf({ sharing, granted, shares }: SharingResult, note: string): SharingGrantResult {
  const consents = granted.map(({ consent, owned, stored, height }) => ({
    consent: toHex(consent),
    folder: toHex(owned.id),
    label: owned.label,
    stored,
    height,
  }))
  const codes = shares.map(({ grantee, share }) => ({ grantee: granteeResult(grantee), share }))
  const [first] = codes as [(typeof codes)[number]]
  const [only, ...more] = consents
  const stored = consents.flatMap(one => (one.stored === null ? [] : [one.stored]))
  return {
    status: 'committed',
    sharing: toHex(sharing),
    ...first,
    shares: codes,
    consent: more.length === 0 ? (only?.consent ?? null) : null,
    folder: more.length === 0 ? (only?.folder ?? null) : null,
    consents,
    note,
    validity: granted[0]?.provision.validity ?? { start: 0, end: 0 },
    stored: stored.length === 0 ? null : Math.min(...stored),
    height: Math.max(...consents.map(({ height }) => height)),
  }
}
