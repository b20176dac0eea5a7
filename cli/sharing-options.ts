/** What the options of `epione consent grant` and `preview` say: whom, what, of which folders, until when. */
import type { OwnedFolder } from '../src/client/folders.ts'
import { type ContactCard, decodeCard } from '../src/client/identity.ts'
import type { LightPeer } from '../src/client/light-peer.ts'
import type { SharingDecision } from '../src/client/sharing.ts'
import type { Grantee, Provision, Purpose, RecordClass } from '../src/contracts/consent-terms.ts'
import { LABELS, type Label } from '../src/contracts/folders-formats.ts'
import { equalBytes } from '../src/encoding/bytes.ts'
import { EpioneError } from '../src/encoding/errors.ts'
import { readCode } from './codes.ts'
import type { Context } from './context.ts'
import { formatInstant } from './format.ts'
import { idBytes } from './wallet-session.ts'

export interface SharingOptions {
  /** One folder; folders by their labels, if left out. */
  folder?: string
  label?: readonly Label[]
  exceptLabel?: readonly Label[]
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
}

/** Whom it is for. */
export interface Recipient {
  readonly grantee: Grantee
  readonly sealingKey: Uint8Array
  /** Role of a person, as their card has it. */
  readonly role: string | undefined
}

/** A consent lasts a month unless asked otherwise, in ms. */
const DEFAULT_LENGTH_MS = 30 * 86_400_000
/** What is shared where no label is named: the others are for being named. */
const DEFAULT_LABELS: readonly Label[] = ['normal', 'emergency-summary']

/** The card of `--to`, which may come from standard input, before a passphrase is asked for there. */
export async function readCard(context: Context, { to }: SharingOptions): Promise<ContactCard | null> {
  return to === undefined ? null : decodeCard(await readCode(context, to, 'epione-card:'))
}

export async function recipientOf(
  context: Context,
  peer: LightPeer,
  card: ContactCard | null,
  { organisation, role }: Pick<SharingOptions, 'organisation' | 'role'>,
): Promise<Recipient> {
  if (card !== null) return await ofCard(context, peer, card)
  const id = idBytes(organisation ?? '')
  const { sealingKey } = await activeMember(context, peer, id)
  const grantee: Grantee =
    role === undefined ? { type: 'organisation', value: { organisation: id } } : { type: 'role', value: { organisation: id, role } }
  return { grantee, sealingKey, role }
}

/** A person, by the card that they handed over. */
async function ofCard(context: Context, peer: LightPeer, card: ContactCard): Promise<Recipient> {
  if (!equalBytes(card.chainId, peer.chainId)) throw new EpioneError('other-chain', 'the contact card is for another network')
  await activeMember(context, peer, card.organisation)
  const { organisation, signingKey, sealingKey, role } = card
  return { grantee: { type: 'person', value: { organisation, key: signingKey } }, sealingKey, role }
}

/** @throws EpioneError `unknown-member` */
export async function activeMember({ signal }: Context, peer: LightPeer, id: Uint8Array) {
  const { status, organisation } = await peer.member(id, { signal })
  if (status === 'active') return organisation
  throw new EpioneError('unknown-member', 'the organisation is no member of the network any more; nobody could read under this consent')
}

/** What is decided, of the wallet's folders. @throws EpioneError `not-found` where the named folder is not the wallet's */
export async function decisionOf(
  context: Context,
  peer: LightPeer,
  grantee: Grantee,
  folders: readonly OwnedFolder[],
  options: SharingOptions,
): Promise<SharingDecision> {
  const provision = await provisionFor(context, peer, grantee, options)
  if (options.folder === undefined) return { rules: [{ labels: labelsOf(options), provision }] }
  const folder = idBytes(options.folder)
  if (!folders.some(({ id }) => equalBytes(id, folder))) throw new EpioneError('not-found', 'This wallet owns no folder with this id.')
  return { rules: [{ labels: [], provision }], folder }
}

/** What is permitted to a grantee. */
export async function provisionFor(context: Context, peer: LightPeer, grantee: Grantee, options: SharingOptions): Promise<Provision> {
  return provisionOf(options, grantee, await validityOf(context, peer, options))
}

function labelsOf({ label, exceptLabel }: SharingOptions): Label[] {
  if (label !== undefined) return LABELS.filter(known => label.includes(known))
  return exceptLabel === undefined ? [...DEFAULT_LABELS] : LABELS.filter(known => !exceptLabel.includes(known))
}

/** Validity is compared with the time of blocks: a consent for now begins with the newest of them, whatever this clock says. */
async function validityOf({ signal }: Context, peer: LightPeer, options: SharingOptions): Promise<{ start: number; end: number }> {
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

function provisionOf(options: SharingOptions, grantee: Grantee, period: { start: number; end: number }): Provision {
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
