/** What may be read, by a record of what was done: simpler than the code that decides it, and written apart from it. */
import type { RecordClass } from '../../src/contracts/consent-terms.ts'
import type { AccessWorld, Consent, Folder, Session, Version } from './access-world.ts'

export interface ConsentRow {
  readonly consent: Consent
  readonly classes: readonly RecordClass[]
  readonly end: number
  readonly since: number
  revokedAt: number | null
  /** Epochs that the consent was taken along to, with the heights. */
  readonly epochs: { height: number; epoch: number }[]
}

export interface SessionRow {
  readonly session: Session
  readonly row: ConsentRow
  readonly since: number
  readonly until: number
}

export interface VersionRow {
  readonly version: Version
  readonly since: number
  erasedAt: number | null
}

export class Model {
  readonly consents: ConsentRow[] = []
  readonly sessions: SessionRow[] = []
  readonly versions: VersionRow[] = []
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

  /** Consents of a folder that the whole ledger has as active. */
  active(folder: Folder): ConsentRow[] {
    return this.consents.filter(({ consent, revokedAt }) => consent.folder === folder && revokedAt === null)
  }

  epochAt({ epochs }: ConsentRow, height: number): number {
    return epochs.filter(step => step.height <= height).at(-1)?.epoch ?? -1
  }

  consentStands(row: ConsentRow, height: number): boolean {
    const isGranted = row.since <= height && (row.revokedAt === null || row.revokedAt > height)
    return isGranted && this.timeAt(height) < row.end
  }

  /** Whether a version may be read in a session, as the ledger stands at a height. */
  permits({ session, row, since, until }: SessionRow, { version, since: anchored, erasedAt }: VersionRow, height: number): boolean {
    const isThere = anchored <= height && (erasedAt === null || erasedAt > height)
    const isOpen = since <= height && this.timeAt(height) < until && this.consentStands(row, height)
    const isCovered = row.classes.length === 0 || row.classes.includes(version.meta.class as RecordClass)
    return isThere && isOpen && isCovered && session.consent.folder === version.folder && version.epoch <= this.epochAt(row, height)
  }

  /** When the whole ledger closed this to the reader; infinity while it is open. */
  closedAt({ row, until }: SessionRow, { erasedAt }: VersionRow): number {
    const times = [row.revokedAt, erasedAt].flatMap(height => (height === null ? [] : [this.timeAt(height)]))
    return Math.min(until, row.end, ...times)
  }

  grantClosedAt({ revokedAt, end }: ConsentRow): number {
    return Math.min(end, revokedAt === null ? Number.POSITIVE_INFINITY : this.timeAt(revokedAt))
  }
}
