/** What may be read, by a record of what was done: simpler than the code that decides it, and written apart from it. */
import type { Purpose, RecordClass } from '../../src/contracts/consent-terms.ts'
import type { Right } from '../../src/contracts/delegations-formats.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { holder } from './access-people.ts'
import type { AccessWorld, Consent, Deposit, Folder, Session, Version } from './access-world.ts'

export interface ConsentRow {
  readonly consent: Consent
  readonly classes: readonly RecordClass[]
  /** None for all of them. */
  readonly purposes: readonly Purpose[]
  /** Day from which on a delegation holds, in ms; 0 for other consents. */
  readonly start: number
  readonly end: number
  readonly since: number
  /** What a delegate may do; null for other consents. */
  readonly rights: readonly Right[] | null
  /** The delegation under which it was granted; null where the owner granted it. */
  readonly by: ConsentRow | null
  revokedAt: number | null
  /** Epochs that the consent was taken along to, with the heights. */
  readonly epochs: { height: number; epoch: number }[]
}

/** Who reads, and who says that they may. */
export type Under =
  | { readonly kind: 'consent'; readonly row: ConsentRow; readonly member: number }
  | { readonly kind: 'delegate'; readonly row: ConsentRow }
  | { readonly kind: 'owner'; readonly ownerIndex: number; readonly isOwner: boolean }
  /** `isCounted`: under the clinician's own name. */
  | { readonly kind: 'emergency'; readonly isCounted: boolean }

export interface SessionRow {
  readonly session: Session
  readonly under: Under
  /** Who asks; null for the owner. */
  readonly reader: number | null
  readonly since: number
}

export interface VersionRow {
  readonly version: Version
  /** Versions with one ciphertext have one group. */
  readonly group: number
  readonly since: number
  erasedAt: number | null
}

interface Step<T> {
  readonly height: number
  readonly value: T
}

const EMERGENCY_ROLES = ['emergency-physician', 'emergency-nurse', 'paramedic', 'intensive-care-physician']

export class Model {
  readonly consents: ConsentRow[] = []
  readonly sessions: SessionRow[] = []
  readonly versions: VersionRow[] = []
  /** Shares that stood, or null once they were taken back. */
  readonly deposits = new Map<Folder, Step<Deposit | null>[]>()
  /** Indices of owner keys. */
  readonly owners = new Map<Folder, Step<number>[]>()
  readonly #world: AccessWorld

  constructor(world: AccessWorld) {
    this.#world = world
  }

  /** Height of the whole ledger. */
  get height(): number {
    return this.#world.blocks.length
  }

  timeAt(height: number): number {
    return this.#world.blocks[height - 1]?.header.time ?? 0
  }

  /** Notes what holds for a folder from the newest block on. */
  note<T>(steps: Map<Folder, Step<T>[]>, folder: Folder, value: T): void {
    steps.set(folder, [...(steps.get(folder) ?? []), { height: this.height, value }])
  }

  depositAt(folder: Folder, height: number): Deposit | null {
    return at(this.deposits, folder, height) ?? null
  }

  /** Consents of a folder that the whole ledger has as active. */
  active(folder: Folder): ConsentRow[] {
    return this.consents.filter(({ consent, revokedAt }) => consent.folder === folder && revokedAt === null)
  }

  epochAt({ epochs }: ConsentRow, height: number): number {
    return epochs.filter(step => step.height <= height).at(-1)?.epoch ?? -1
  }

  /** Whether a consent or a delegation is in force, and what it was granted under. */
  stands(row: ConsentRow, height: number): boolean {
    const time = this.timeAt(height)
    const isGranted = row.since <= height && (row.revokedAt === null || row.revokedAt > height)
    return isGranted && row.start <= time && time < row.end && (row.by === null || this.stands(row.by, height))
  }

  /** Whether a session is one in which anything may be read, as the ledger stands at a height. */
  isOpen({ session, under, since }: SessionRow, height: number): boolean {
    const { folder, access, until } = session
    if (since > height || this.timeAt(height) >= until) return false
    switch (under.kind) {
      case 'owner':
        return access.role === 'owner' && under.isOwner && at(this.owners, folder, height) === under.ownerIndex
      case 'emergency': {
        const isFor = EMERGENCY_ROLES.includes(access.role) && ['BTG', 'ETREAT'].includes(access.purpose)
        return isFor && under.isCounted && this.depositAt(folder, height) !== null
      }
      case 'delegate': {
        const isDelegate = access.role === 'delegate' && equalBytes(access.reader, under.row.consent.key.publicKey)
        return isDelegate && under.row.rights?.includes('read') === true && this.stands(under.row, height)
      }
      default:
        return this.#isGrantee(session, under) && this.stands(under.row, height)
    }
  }

  #isGrantee({ access }: Session, { row, member }: Extract<Under, { kind: 'consent' }>): boolean {
    const { to, holder: holds } = row.consent
    // Nobody of an organisation reads as an owner or a delegate, and each grant is to one organisation or to people of it.
    if (['owner', 'delegate'].includes(access.role) || holder(holds).member !== member) return false
    if (to.type === 'person') return equalBytes(access.reader, holder(holds).signing.publicKey)
    return to.type === 'organisation' || (to.type === 'role' && to.role === access.role)
  }

  /** Whether a version may be read in a session, as the ledger stands at a height. */
  permits(row: SessionRow, { version, since, erasedAt }: VersionRow, height: number): boolean {
    const { session, under } = row
    const isThere = since <= height && (erasedAt === null || erasedAt > height)
    if (!isThere || session.folder !== version.folder || !this.isOpen(row, height)) return false
    if (under.kind === 'owner') return true
    if (under.kind === 'emergency') {
      const { epoch } = this.depositAt(version.folder, height) as Deposit
      return version.folder.label === 'emergency-summary' && version.epoch <= epoch
    }
    const { classes, purposes } = under.row
    const isOfClass = classes.length === 0 || classes.includes(version.meta.class as RecordClass)
    const isFor = purposes.length === 0 || purposes.includes(session.access.purpose)
    return isOfClass && isFor && version.epoch <= this.epochAt(under.row, height)
  }

  /** When the whole ledger closed a session to its reader; infinity while it is open. */
  sessionClosedAt({ session, under }: SessionRow): number {
    switch (under.kind) {
      case 'owner':
        return Math.min(
          session.until,
          this.#firstTime(this.owners, session.folder, index => index > under.ownerIndex),
        )
      case 'emergency': {
        const last = this.deposits.get(session.folder)?.at(-1)
        return Math.min(session.until, last === undefined || last.value !== null ? Number.POSITIVE_INFINITY : this.timeAt(last.height))
      }
      default:
        return Math.min(session.until, this.consentClosedAt(under.row))
    }
  }

  /** When the whole ledger closed a version to a reader. */
  closedAt(row: SessionRow, { erasedAt }: VersionRow): number {
    return Math.min(this.sessionClosedAt(row), erasedAt === null ? Number.POSITIVE_INFINITY : this.timeAt(erasedAt))
  }

  consentClosedAt({ revokedAt, end, by }: ConsentRow): number {
    const own = Math.min(end, revokedAt === null ? Number.POSITIVE_INFINITY : this.timeAt(revokedAt))
    return by === null ? own : Math.min(own, this.consentClosedAt(by))
  }

  #firstTime<T>(steps: Map<Folder, Step<T>[]>, folder: Folder, is: (value: T) => boolean): number {
    const step = steps.get(folder)?.find(({ value }) => is(value))
    return step === undefined ? Number.POSITIVE_INFINITY : this.timeAt(step.height)
  }
}

function at<T>(steps: Map<Folder, Step<T>[]>, folder: Folder, height: number): T | undefined {
  return steps
    .get(folder)
    ?.filter(step => step.height <= height)
    .at(-1)?.value
}
