/** `epione consent import` */
import { resolve } from 'node:path'
import { consentFromDocument } from '../../src/client/consent-fhir-document.ts'
import { scanFolders } from '../../src/client/folders.ts'
import { type ContactCard, decodeCard } from '../../src/client/identity.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import type { SharingRule } from '../../src/client/sharing.ts'
import type { Grantee, Period } from '../../src/contracts/consent-terms.ts'
import { equalBytes, utf8 } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { readBoundedFile } from '../../src/node/config-file.ts'
import { readCode } from '../codes.ts'
import { assertConfirmable } from '../confirm.ts'
import type { Context } from '../context.ts'
import { assertNote, grantDecision, type SharingGrantResult } from '../sharing-grant.ts'
import { activeMember, readCard, recipientOf } from '../sharing-options.ts'
import { idBytes, withWallet } from '../wallet-session.ts'

export interface ConsentImportOptions {
  /** `reference=who` each. */
  actor?: readonly string[]
  policy?: readonly string[]
  /** Whom a consent for everybody is narrowed to. */
  to?: string
  organisation?: string
  role?: string
  until?: { atMs: number } | { lengthMs: number }
  note?: string
  qr?: boolean
  yes?: boolean
  resume?: string
  /** Longest pause between two folders, in ms. */
  spread?: number
}

/** What `--json` prints. */
export type ConsentImportResult = SharingGrantResult

const MAX_CONSENT_BYTES = 1024 * 1024

export async function consentImport(context: Context, options: ConsentImportOptions, file: string): Promise<void> {
  const { signal } = context
  const { qr = false, yes = false, resume, spread } = options
  assertConfirmable(context, yes, 'somebody will be able to read')
  const document = await readDocument(file)
  const narrowed = await readCard(context, options)
  const named = await Promise.all((options.actor ?? []).map(async text => await readActor(context, text)))
  const cards = [...named.flatMap(({ card }) => (card === null ? [] : [card])), ...(narrowed === null ? [] : [narrowed])]
  const note = options.note ?? narrowed?.name ?? cards[0]?.name ?? ''
  assertNote(note)
  const actors = new Map(named.map(({ reference, grantee }) => [reference, grantee]))
  const rules = await consentFromDocument(document, { actors, policies: options.policy ?? [] })
  if (rules.length === 0) throw new EpioneError('nothing-to-share', 'This consent permits nothing: there is nothing to grant.')
  await withWallet(context, async ({ peer, wallet }) => {
    const toOne = options.to !== undefined || options.organisation !== undefined
    const recipient = toOne ? await recipientOf(context, peer, narrowed, options) : null
    const { header } = await peer.head({ signal })
    const decision = { rules: rules.map(rule => ready(rule, recipient?.grantee ?? null, header.time, peer.now(), options)) }
    const { folders } = await scanFolders(peer, wallet, { signal })
    const sealingKeyOf = async (grantee: Grantee): Promise<Uint8Array> => await keyOf(context, peer, grantee, cards)
    await grantDecision(context, peer, wallet, { decision, folders, sealingKeyOf, role: cards[0]?.role, note, yes, qr, resume, spread })
  })
}

async function readDocument(file: string): Promise<Uint8Array> {
  const text = await readBoundedFile(resolve(file), MAX_CONSENT_BYTES)
  if (text === null) throw new EpioneError('file-missing', `there is no file ${file}`, { metadata: { path: file } })
  return utf8(text)
}

/** `reference=card`, `reference=<account>` or `reference=<account>/<role>`. @throws EpioneError `invalid-argument` */
async function readActor(context: Context, text: string): Promise<{ reference: string; grantee: Grantee; card: ContactCard | null }> {
  const cut = text.indexOf('=')
  const [reference, who] = [text.slice(0, cut), text.slice(cut + 1)]
  if (cut < 1 || who === '') throw new EpioneError('invalid-argument', '--actor takes a reference of the document, = and who that is')
  const member = /^([0-9a-f]{64})(?:\/([a-z][a-z0-9-]{0,63}))?$/.exec(who)
  if (member !== null) {
    const organisation = idBytes(member[1] as string)
    const role = member[2]
    const grantee: Grantee =
      role === undefined ? { type: 'organisation', value: { organisation } } : { type: 'role', value: { organisation, role } }
    return { reference, grantee, card: null }
  }
  const card = decodeCard(await readCode(context, who, 'epione-card:'))
  return { reference, grantee: { type: 'person', value: { organisation: card.organisation, key: card.signingKey } }, card }
}

/** A rule that can be granted: to somebody, with an end. Both only ever narrow what the document says. */
function ready(rule: SharingRule, grantee: Grantee | null, blockTime: number, now: number, { until }: ConsentImportOptions): SharingRule {
  const { provision } = rule
  const given: Period = provision.validity ?? { start: blockTime, end: Number.MAX_SAFE_INTEGER }
  const end = until === undefined ? given.end : Math.min(given.end, 'atMs' in until ? until.atMs : now + until.lengthMs)
  if (end === Number.MAX_SAFE_INTEGER) {
    throw new EpioneError('bad-end', 'this consent has no end, and the network keeps none for more than ten years; name one with --until')
  }
  if (end <= now) throw new EpioneError('bad-end', 'this consent is over')
  return { ...rule, provision: { ...provision, grantee: provision.grantee ?? grantee, validity: { start: given.start, end } } }
}

/** A person's key is on their card, an organisation's in the ledger. */
async function keyOf(context: Context, peer: LightPeer, grantee: Grantee, cards: readonly ContactCard[]): Promise<Uint8Array> {
  const { sealingKey } = await activeMember(context, peer, grantee.value.organisation)
  if (grantee.type !== 'person') return sealingKey
  const { key } = grantee.value
  const card = cards.find(one => equalBytes(one.signingKey, key))
  if (card === undefined)
    throw new EpioneError('no-grantee', 'the contact card of a person whom the consent names is needed; give it with --actor or --to')
  if (!equalBytes(card.chainId, peer.chainId)) throw new EpioneError('other-chain', 'the contact card is for another network')
  return card.sealingKey
}
