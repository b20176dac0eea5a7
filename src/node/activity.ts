/** What a node has done since its start, in counts: for its operator's metrics alone, and told to no other peer. */
import type { AuditRecord } from '../contracts/audits-formats.ts'
import { toHex } from '../encoding/bytes.ts'
import type { Chain } from './chain.ts'
import type { Announcer, AnnouncerReport } from './custodian/announcer.ts'
import type { AuditService } from './custodian/audit-service.ts'
import type { ErasureReport, ErasureService } from './custodian/erasure.ts'
import type { ReleaseReport, ReleaseService } from './custodian/release.ts'
import type { RepairActivity } from './custodian/repair-counts.ts'
import type { RepairService } from './custodian/repair-service.ts'
import type { UploadReport, UploadService } from './custodian/upload.ts'
import { auditRecordOf, type Directory } from './directory.ts'

export interface NodeActivity {
  blocks: number
  transactions: number
  uploads: UploadReport
  releases: ReleaseReport
  repairs: RepairActivity
  erasures: ErasureReport
  announcements: AnnouncerReport
  /** Every active member that stores fragments, this node among them. */
  custodians: CustodianActivity[]
}

export interface CustodianActivity {
  /** Account, in hex. */
  account: string
  /** Name of the organisation. */
  name: string
  /** What the ledger says of it: its standing, and the challenges that members reported, with those that were not answered rightly. */
  standing: AuditRecord['standing']
  asked: number
  missed: number
  /** How it took this node's own challenges since the start, by outcome. */
  challenges: Record<string, number>
  /** What it did wrong as a helper of this node's repairs since the start, by code. */
  helperFailures: Record<string, number>
}

export interface ActivitySources {
  chain: Chain
  directory: Directory
  uploads: Pick<UploadService, 'report'>
  releases: Pick<ReleaseService, 'report'>
  repair: Pick<RepairService, 'counts'>
  erasures: Pick<ErasureService, 'report'>
  announcer: Pick<Announcer, 'report'>
  audits: Pick<AuditService, 'counts'>
}

export class Activity {
  readonly #sources: ActivitySources
  #stopCommits: (() => void) | undefined
  #blocks = 0
  #transactions = 0

  constructor(sources: ActivitySources) {
    this.#sources = sources
  }

  /** Begins to count blocks. */
  start(): void {
    this.#stopCommits = this.#sources.chain.onCommit(({ candidate }) => {
      this.#blocks++
      this.#transactions += candidate.transactions.length
    })
  }

  stop(): void {
    this.#stopCommits?.()
  }

  report(): NodeActivity {
    const { uploads, releases, repair, erasures, announcer } = this.#sources
    return {
      blocks: this.#blocks,
      transactions: this.#transactions,
      uploads: uploads.report(),
      releases: releases.report(),
      repairs: repair.counts.report(),
      erasures: erasures.report(),
      announcements: announcer.report(),
      custodians: this.#custodians(),
    }
  }

  #custodians(): CustodianActivity[] {
    const { chain, directory, audits, repair } = this.#sources
    const custodians = directory.active().filter(({ organisation }) => organisation.capacity > 0)
    return custodians.map(({ id, organisation }) => {
      const { standing, asked, missed } = auditRecordOf(chain.tip.tree, id)
      return {
        account: toHex(id),
        name: organisation.name,
        standing,
        asked,
        missed,
        challenges: audits.counts.countsOf(id),
        helperFailures: repair.counts.helpers.countsOf(id),
      }
    })
  }
}
