/**
 * Sharing decisions: what a patient decides once ("share with Dr Amina all but mental health") becomes one consent on each folder that it
 * is about, kept together by what the owner notes in each. A folder whose label is not chosen gets no consent, so that nothing says that
 * it is there.
 */
import type { Grantee, Provision, Purpose } from '../contracts/consent-terms.ts'
import type { Label } from '../contracts/folders-formats.ts'
import { randomBytes } from '../crypto/random.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import type { SharingPart } from './consent-note.ts'
import { grantConsent, listConsents, type OwnedConsent, revokeConsent } from './consents.ts'
import { type OwnedFolder, scanFolders, type Wallet } from './folders.ts'
import { listVersions } from './get.ts'
import { encodeShares, MAX_SHARED_FOLDERS, type ShareCode } from './identity.ts'
import type { LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { type OwnVersion, type Preview, previewVersions, readerOf } from './preview.ts'
import { openOwnSession } from './session.ts'
import { sleep } from './sleep.ts'

/** What is shared of folders with these labels. */
export interface SharingRule {
  readonly labels: readonly Label[]
  readonly provision: Provision
}

/** What a patient decides. */
export interface SharingDecision {
  readonly rules: readonly SharingRule[]
  /** The one folder that it is about, whatever its label; the rules' labels choose, if left out. */
  readonly folder?: Uint8Array
}

/** One consent that a decision asks for. */
export interface PlannedConsent {
  readonly owned: OwnedFolder
  readonly rule: number
  readonly provision: Provision
}

/**
 * The consents that a decision asks for: one for each rule and folder, in the order of the folders' ids, which says nothing of the wallet.
 * A folder is for what one organisation writes: one whose author a rule leaves out gets no consent for it.
 * @throws EpioneError `nothing-to-share`, `too-many-folders`, `no-grantee`
 */
export function planSharing(folders: readonly OwnedFolder[], decision: SharingDecision): PlannedConsent[] {
  const { rules, folder } = decision
  const chosen = folder === undefined ? folders : folders.filter(({ id }) => equalBytes(id, folder))
  const planned = [...chosen]
    .sort((a, b) => (toHex(a.id) < toHex(b.id) ? -1 : 1))
    .filter(owned => owned.folder.status === 'open')
    .flatMap(owned =>
      rules.flatMap(({ labels, provision }, rule) => {
        const isChosen = folder !== undefined || labels.includes(owned.label)
        const { authors } = provision
        const mayHold = authors.length === 0 || authors.some(author => equalBytes(author, owned.folder.author))
        return isChosen && mayHold ? [{ owned, rule, provision }] : []
      }),
    )
  if (planned.length === 0) throw new EpioneError('nothing-to-share', 'None of the folders is one that this would share.')
  if (planned.length > MAX_SHARED_FOLDERS) {
    throw new EpioneError(
      'too-many-folders',
      `This would share ${planned.length} folders and one decision shares ${MAX_SHARED_FOLDERS} at most; choose labels or folders.`,
    )
  }
  for (const { provision } of planned) granteeOf(provision)
  return planned
}

/** To whom a consent's key is wrapped. @throws EpioneError `no-grantee` */
function granteeOf({ grantee }: Provision): Grantee {
  if (grantee === null) throw new EpioneError('no-grantee', 'A consent needs somebody to whom the key of the folder is sealed; say who.')
  return grantee
}

export interface SharedConsent extends PlannedConsent {
  readonly consent: Uint8Array
  /** Custodians that hold it; null where it was there before. */
  readonly stored: number | null
  readonly height: number
}

export interface SharingResult {
  readonly sharing: Uint8Array
  readonly granted: readonly SharedConsent[]
  /** What was not granted, and why: the same call with this `sharing` goes on. */
  readonly failed: readonly (PlannedConsent & { readonly code: string; readonly error: unknown })[]
  /** One code for each rule's grantee, for what was granted. */
  readonly shares: readonly { readonly grantee: Grantee; readonly share: string }[]
}

export interface SharingInput {
  decision: SharingDecision
  /** The key to which a grantee's wraps are sealed. */
  sealingKeyOf: (grantee: Grantee) => Uint8Array | Promise<Uint8Array>
  /** For the owner alone. */
  note?: string
  /** Goes on with a decision that was granted in part: what is active of it stays as it is. */
  sharing?: Uint8Array
  /** The folders, where they are known already. */
  folders?: readonly OwnedFolder[]
  /**
   * Longest pause before each further grant, in ms; none, if left out. Grants that come at once tell who reads the ledger that these
   * folders may be one person's; random pauses among the grants of others blur that.
   */
  spreadMs?: number
}

/**
 * Grants what a decision asks for, folder after folder. The ledger knows no act on several folders, for it must not learn that they are
 * one person's: what fails midway is told, stays granted as far as it is, and is repeated with the decision's id.
 * @throws EpioneError as {@link planSharing}, before anything is signed
 */
export async function grantSharing(
  peer: LightPeer,
  wallet: Wallet,
  input: SharingInput,
  options: CallOptions = {},
): Promise<SharingResult> {
  const folders = input.folders ?? (await scanFolders(peer, wallet, options)).folders
  const planned = planSharing(folders, input.decision)
  const sharing = input.sharing ?? randomBytes(16)
  const keys = new Map<string, Uint8Array>()
  for (const { provision } of planned) {
    const grantee = granteeOf(provision)
    if (!keys.has(granteeKey(grantee))) keys.set(granteeKey(grantee), await input.sealingKeyOf(grantee))
  }
  const granted: SharedConsent[] = []
  const failed: (PlannedConsent & { code: string; error: unknown })[] = []
  for (const one of planned) {
    if (granted.length > 0) await sleep(randomPause(input.spreadMs ?? 0), options.signal)
    try {
      const known = input.sharing === undefined ? undefined : await findPart(peer, wallet, one, sharing, options)
      if (known === undefined) granted.push(await grantPart(peer, wallet, one, sharing, keys, input, options))
      else granted.push({ ...one, consent: known.id, stored: null, height: known.line.height })
    } catch (error) {
      options.signal?.throwIfAborted()
      failed.push({ ...one, code: errorCode(error), error })
    }
  }
  return { sharing, granted, failed, shares: sharesOf(peer, granted) }
}

/** A random length up to `most`, in ms. */
function randomPause(most: number): number {
  const [a, b, c, d] = randomBytes(4) as unknown as [number, number, number, number]
  return ((((a * 256 + b) * 256 + c) * 256 + d) / 2 ** 32) * most
}

async function grantPart(
  peer: LightPeer,
  wallet: Wallet,
  one: PlannedConsent,
  id: Uint8Array,
  keys: ReadonlyMap<string, Uint8Array>,
  input: SharingInput,
  options: CallOptions,
): Promise<SharedConsent> {
  const { decision, note } = input
  const sealingKey = keys.get(granteeKey(granteeOf(one.provision))) as Uint8Array
  const labels = decision.folder === undefined ? [...(decision.rules[one.rule]?.labels ?? [])] : []
  const sharing: SharingPart = { id, rule: one.rule, labels, time: peer.now() }
  const given = { provision: one.provision, sealingKey, sharing, ...(note === undefined ? {} : { note }) }
  const { consent, stored, committed } = await grantConsent(peer, wallet, one.owned, given, options)
  return { ...one, consent, stored, height: committed.height }
}

async function findPart(
  peer: LightPeer,
  wallet: Wallet,
  { owned, rule }: PlannedConsent,
  id: Uint8Array,
  options: CallOptions,
): Promise<OwnedConsent | undefined> {
  const consents = await listConsents(peer, wallet, owned, options)
  return consents.find(
    ({ line, sharing }) => line.status === 'active' && sharing !== null && sharing.rule === rule && equalBytes(sharing.id, id),
  )
}

function granteeKey(grantee: Grantee): string {
  const { type, value } = grantee
  return [type, toHex(value.organisation), type === 'person' ? toHex(value.key) : type === 'role' ? value.role : ''].join(' ')
}

function sharesOf({ chainId }: LightPeer, granted: readonly SharedConsent[]): SharingResult['shares'] {
  return byGrantee(granted).map(({ grantee, theirs }) => {
    const codes = theirs.map(({ owned, consent }): ShareCode => ({ version: 1, chainId, folder: owned.id, consent }))
    return { grantee, share: encodeShares(codes) }
  })
}

/** A decision as its owner finds it again in the notes of consents. */
export interface OwnedSharing {
  readonly id: Uint8Array
  readonly note: string
  /** When it was decided, by the owner's clock, in ms. */
  readonly time: number
  readonly consents: readonly { readonly owned: OwnedFolder; readonly consent: OwnedConsent }[]
}

export interface SharingList {
  /** The newest last. */
  readonly sharings: readonly OwnedSharing[]
  /** Consents of which no custodian that answered has the note: they may be part of any decision. */
  readonly unreadable: number
}

/** All decisions of a wallet that are granted in some folder, revoked ones too. */
export async function listSharings(peer: LightPeer, wallet: Wallet, options: CallOptions = {}): Promise<SharingList> {
  const { folders } = await scanFolders(peer, wallet, options)
  const found = new Map<string, { id: Uint8Array; note: string; time: number; consents: { owned: OwnedFolder; consent: OwnedConsent }[] }>()
  let unreadable = 0
  for (const owned of folders) {
    for (const consent of await listConsents(peer, wallet, owned, options)) {
      if (consent.provision === null) unreadable++
      const { sharing } = consent
      if (sharing === null) continue
      const known = found.get(toHex(sharing.id)) ?? { id: sharing.id, note: consent.note, time: sharing.time, consents: [] }
      known.consents.push({ owned, consent })
      known.time = Math.min(known.time, sharing.time)
      found.set(toHex(sharing.id), known)
    }
  }
  return { sharings: [...found.values()].sort((a, b) => a.time - b.time), unreadable }
}

export interface RevokedSharing {
  readonly revoked: readonly {
    readonly folder: Uint8Array
    readonly consent: Uint8Array
    readonly height: number
    readonly timeMs: number
  }[]
  /** What is still active: the same call tries again. */
  readonly failed: readonly { readonly folder: Uint8Array; readonly consent: Uint8Array; readonly code: string }[]
}

/** Takes all consents of a decision back that are active. */
export async function revokeSharing(
  peer: LightPeer,
  wallet: Wallet,
  sharing: OwnedSharing,
  options: CallOptions = {},
): Promise<RevokedSharing> {
  const revoked: RevokedSharing['revoked'][number][] = []
  const failed: RevokedSharing['failed'][number][] = []
  for (const { owned, consent } of sharing.consents.filter(({ consent }) => consent.line.status === 'active')) {
    try {
      const { height, time } = await revokeConsent(peer, wallet, owned, consent.id, options)
      revoked.push({ folder: owned.id, consent: consent.id, height, timeMs: time })
    } catch (error) {
      options.signal?.throwIfAborted()
      failed.push({ folder: owned.id, consent: consent.id, code: errorCode(error) })
    }
  }
  return { revoked, failed }
}

export interface SharingPreview {
  /** For each grantee and purpose that the rules name: what would be seen, and what not. */
  readonly previews: readonly { readonly grantee: Grantee; readonly preview: Preview }[]
  /** Labels of the folders that nobody gets to know of. */
  readonly withheld: readonly Label[]
  /** Folders of which something may be missing here, for too few of their custodians answered. */
  readonly incomplete: number
}

export interface PreviewInput {
  decision: SharingDecision
  folders: readonly OwnedFolder[]
  /** Role in which a person acts, where it is known. */
  role?: string
}

/**
 * What grantees would see of what is in the folders now. The owner reads the lists of those folders that would be shared, which leaves a
 * line of the owner's in the log of each; the others are not touched.
 */
export async function previewSharing(
  peer: LightPeer,
  wallet: Wallet,
  input: PreviewInput,
  options: CallOptions = {},
): Promise<SharingPreview> {
  const planned = planSharing(input.folders, input.decision)
  const shared = new Map(planned.map(({ owned }) => [toHex(owned.id), owned]))
  const versions: (OwnVersion & { folder: string })[] = []
  let incomplete = 0
  for (const [folder, owned] of shared) {
    const session = await openOwnSession(peer, wallet, owned, options)
    const listing = await listVersions(peer, session, options)
    if (listing.incomplete.length > 0) incomplete++
    for (const { recordId, version, class: recordClass, dataTime, submission } of listing.versions) {
      const { author } = submission.anchor
      versions.push({ folder, label: owned.label, recordId, version, class: recordClass, dataTime, author })
    }
  }
  const { header } = await peer.head(options)
  const previews = byGrantee(planned).flatMap(({ grantee, theirs }) =>
    purposesOf(theirs).map(purpose => {
      const time = Math.max(header.time, ...theirs.map(({ provision }) => provision.validity?.start ?? 0))
      const reader = readerOf(grantee, { purpose, time, ...(input.role === undefined ? {} : { role: input.role }) })
      const provisionsOf = ({ folder }: { folder: string }): Provision[] =>
        theirs.filter(({ owned }) => toHex(owned.id) === folder).map(({ provision }) => provision)
      return { grantee, preview: previewVersions(versions, reader, provisionsOf) }
    }),
  )
  const withheld = input.folders.filter(({ id, folder }) => folder.status === 'open' && !shared.has(toHex(id)))
  return { previews, withheld: [...new Set(withheld.map(({ label }) => label))], incomplete }
}

function byGrantee<T extends PlannedConsent>(planned: readonly T[]): { grantee: Grantee; theirs: T[] }[] {
  const groups = new Map<string, { grantee: Grantee; theirs: T[] }>()
  for (const one of planned) {
    const grantee = granteeOf(one.provision)
    const known = groups.get(granteeKey(grantee))
    if (known === undefined) groups.set(granteeKey(grantee), { grantee, theirs: [one] })
    else known.theirs.push(one)
  }
  return [...groups.values()]
}

/** Purposes that rules name, or to treat where one names none. */
function purposesOf(planned: readonly PlannedConsent[]): Purpose[] {
  const named = planned.flatMap(({ provision }) => (provision.purposes.length === 0 ? (['TREAT'] as const) : provision.purposes))
  return [...new Set<Purpose>(named)]
}
