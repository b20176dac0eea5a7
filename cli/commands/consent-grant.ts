/** `epione consent grant` */
import { type GrantResult, grantConsent } from '../../src/client/consents.ts'
import { grantAsDelegate } from '../../src/client/delegation.ts'
import { type ContactCard, decodeCard, decodeShare, encodeShare } from '../../src/client/identity.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import type { Grantee, Provision, Purpose, RecordClass } from '../../src/contracts/consent-terms.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { readCode } from '../codes.ts'
import type { Context } from '../context.ts'
import { formatInstant } from '../format.ts'
import { granteeWords, provisionWords } from '../plain-consent.ts'
import { qrLines } from '../qr.ts'
import { idBytes, withOwnedFolder, withWallet } from '../wallet-session.ts'

export interface ConsentGrantOptions {
  /** One of this and `asDelegate` is given. */
  folder?: string
  /** Share code of a delegation, under which the wallet's holder grants for the folder's owner. */
  asDelegate?: string
  /** Contact card of a person: text or file. One of this and `organisation` is given. */
  to?: string
  organisation?: string
  role?: string
  purpose?: readonly Purpose[]
  class?: readonly RecordClass[]
  exceptClass?: readonly RecordClass[]
  author?: readonly string[]
  /** Time in ms since the epoch. */
  from?: number
  until?: { atMs: number } | { lengthMs: number }
  /** Length in ms. */
  for?: number
  /** Times in ms since the epoch. */
  dataFrom?: number
  dataUntil?: number
  note?: string
  qr?: boolean
}

/** What `--json` prints. */
export interface ConsentGrantResult {
  status: 'committed'
  consent: string
  /** What the grantee needs to read. */
  share: string
  folder: string
  grantee: { kind: Grantee['type']; organisation: string; key: string | null; role: string | null }
  note: string
  /** In ms since the epoch, end excluded. */
  validity: { start: number; end: number }
  /** Custodians that hold the grant. */
  stored: number
  height: number
}

/** A consent lasts a month unless asked otherwise, in ms. */
const DEFAULT_LENGTH_MS = 30 * 86_400_000
/** Longest note, in bytes. */
const MAX_NOTE_BYTES = 1024

export async function consentGrant(context: Context, options: ConsentGrantOptions): Promise<void> {
  const { signal, output } = context
  const card = options.to === undefined ? null : decodeCard(await readCode(context, options.to, 'epione-card:'))
  const note = options.note ?? card?.name ?? ''
  if (new TextEncoder().encode(note).length > MAX_NOTE_BYTES) {
    throw new EpioneError('invalid-argument', `a note has at most ${MAX_NOTE_BYTES} bytes`)
  }
  await withGranting(context, options, async ({ peer, folder, grant }) => {
    const { grantee, sealingKey } = card === null ? await ofOrganisation(context, peer, options) : await ofCard(context, peer, card)
    const provision = provisionOf(options, grantee, await validity(context, peer, options))
    const { consent, share, committed, stored } = await grant({ provision, sealingKey, note })
    const code = encodeShare(share)
    const qr = options.qr === true ? await qrLines(code) : []
    const value: ConsentGrantResult = {
      status: 'committed',
      consent: toHex(consent),
      share: code,
      folder: toHex(folder),
      grantee: {
        kind: grantee.type,
        organisation: toHex(grantee.value.organisation),
        key: grantee.type === 'person' ? toHex(grantee.value.key) : null,
        role: grantee.type === 'role' ? grantee.value.role : null,
      },
      note,
      validity: provision.validity ?? { start: 0, end: 0 },
      stored,
      height: committed.height,
    }
    output.result(value, () => [...qr, code])
    const members = await peer.members({ signal })
    output.note(`${granteeWords(grantee, note, members)} ${provisionWords(provision, members)}`)
    output.note(`hand over the share code; take the consent back with: epione consent revoke ${value.consent} --folder ${value.folder}`)
  })
}

interface Granting {
  readonly peer: LightPeer
  readonly folder: Uint8Array
  readonly grant: (input: { provision: Provision; sealingKey: Uint8Array; note: string }) => Promise<GrantResult>
}

/** As the folder's owner, or for the owner as their delegate. */
async function withGranting(
  context: Context,
  { folder, asDelegate }: ConsentGrantOptions,
  act: (granting: Granting) => Promise<void>,
): Promise<void> {
  const { signal } = context
  if (folder !== undefined) {
    return await withOwnedFolder(context, folder, async ({ peer, wallet, owned }) => {
      await act({ peer, folder: owned.id, grant: async input => await grantConsent(peer, wallet, owned, input, { signal }) })
    })
  }
  const share = decodeShare(await readCode(context, asDelegate ?? '', 'epione-share:'))
  await withWallet(context, async ({ peer, wallet }) => {
    await act({ peer, folder: share.folder, grant: async input => await grantAsDelegate(peer, wallet, share, input, { signal }) })
  })
}

/** A person, by the card that they handed over. */
async function ofCard({ signal }: Context, peer: LightPeer, card: ContactCard): Promise<{ grantee: Grantee; sealingKey: Uint8Array }> {
  if (!equalBytes(card.chainId, peer.chainId)) throw new EpioneError('other-chain', 'the contact card is for another network')
  await activeMember(peer, card.organisation, signal)
  return { grantee: { type: 'person', value: { organisation: card.organisation, key: card.signingKey } }, sealingKey: card.sealingKey }
}

async function ofOrganisation(
  { signal }: Context,
  peer: LightPeer,
  { organisation, role }: ConsentGrantOptions,
): Promise<{ grantee: Grantee; sealingKey: Uint8Array }> {
  const id = idBytes(organisation ?? '')
  const { sealingKey } = await activeMember(peer, id, signal)
  const grantee: Grantee =
    role === undefined ? { type: 'organisation', value: { organisation: id } } : { type: 'role', value: { organisation: id, role } }
  return { grantee, sealingKey }
}

async function activeMember(peer: LightPeer, id: Uint8Array, signal: AbortSignal) {
  const { status, organisation } = await peer.member(id, { signal })
  if (status === 'active') return organisation
  throw new EpioneError('unknown-member', 'the organisation is no member of the network any more; nobody could read under this consent')
}

/** Validity is compared with the time of blocks: a consent for now begins with the newest of them, whatever this clock says. */
async function validity({ signal }: Context, peer: LightPeer, options: ConsentGrantOptions): Promise<{ start: number; end: number }> {
  const { header } = await peer.head({ signal })
  const start = options.from ?? header.time
  const { until } = options
  const end =
    until !== undefined && 'atMs' in until
      ? until.atMs
      : Math.max(start, peer.now()) + (until?.lengthMs ?? options.for ?? DEFAULT_LENGTH_MS)
  if (end <= start || end <= peer.now()) {
    throw new EpioneError(
      'bad-end',
      `the consent would end at ${formatInstant(end)}, before it begins or in the past; name a later end with --until`,
    )
  }
  return { start, end }
}

function provisionOf(options: ConsentGrantOptions, grantee: Grantee, period: { start: number; end: number }): Provision {
  const { dataFrom, dataUntil } = options
  const unlimited: Omit<Provision, 'decision'> = {
    grantee: null,
    purposes: [],
    classes: [],
    dataPeriod: null,
    authors: [],
    validity: null,
    exceptions: [],
  }
  const dataPeriod =
    dataFrom === undefined && dataUntil === undefined
      ? null
      : { start: Math.max(0, dataFrom ?? 0), end: Math.max(0, dataUntil ?? Number.MAX_SAFE_INTEGER) }
  if (dataPeriod !== null && dataPeriod.end <= dataPeriod.start) {
    throw new EpioneError('invalid-argument', '--data-until must be after --data-from, and after 1970')
  }
  return {
    ...unlimited,
    decision: 'permit',
    grantee,
    purposes: unique(options.purpose ?? ['TREAT']),
    classes: unique(options.class ?? []),
    dataPeriod,
    authors: unique(options.author ?? []).map(idBytes),
    validity: period,
    exceptions: options.exceptClass === undefined ? [] : [{ ...unlimited, decision: 'deny', classes: unique(options.exceptClass) }],
  }
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)]
}
