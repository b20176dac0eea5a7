/** How much a custodian takes, and from whom: beside the node's own quota, a limit for each organisation and for each version. */
import { EpioneError } from '../../encoding/errors.ts'
import type { UploadTicket, VersionMeta } from '../../fragments/formats.ts'
import type { DiskWatch } from '../disk-watch.ts'
import type { Submission, Submissions } from './submissions.ts'

export interface CustodyLimits {
  /** Most bytes that one sponsor may have staged here without an anchor. */
  stagedQuotaBytes: number
  /** Most bytes that one sponsor may have here, staged and anchored. */
  organisationQuotaBytes: number
  /** Longest ciphertext of one version. */
  maxVersionBytes: number
}

export interface LimitDependencies {
  submissions: Submissions
  disk: Pick<DiskWatch, 'reserve'>
}

/** Bytes that a submission takes here, as its ticket tells before its versions are known. */
function bytesHere({ size, k }: UploadTicket): number {
  return Math.ceil(size / k)
}

/**
 * Takes the room that an upload needs, on the disk and in its sponsor's quotas, at once: uploads at the same time each find what the
 * others leave. Returns what gives it back, when the upload is stored or given up.
 * @param sponsorName for the sentence
 * @param held what is here of this submission already and is sent again: it counts once
 * @throws EpioneError `read-only`, `disk-full`, `quota-exceeded`
 */
export function takeRoom(
  ticket: UploadTicket,
  sponsorName: string,
  held: Pick<Submission, 'bytes' | 'anchored'> | undefined,
  limits: CustodyLimits,
  { submissions, disk }: LimitDependencies,
): () => void {
  const bytes = bytesHere(ticket)
  const used = submissions.usageOf(ticket.sponsor)
  const heldBytes = held?.bytes ?? 0
  const stagedBefore = held?.anchored === false ? held.bytes : 0
  if (used.stagedBytes - stagedBefore + bytes > limits.stagedQuotaBytes) {
    throw new EpioneError('quota-exceeded', `${sponsorName} has too much staged here that is not anchored; anchor it or wait an hour.`, {
      metadata: { limit: limits.stagedQuotaBytes, used: used.stagedBytes, bytes },
    })
  }
  if (used.bytes - heldBytes + bytes > limits.organisationQuotaBytes) {
    throw new EpioneError(
      'quota-exceeded',
      `${sponsorName} has filled what one organisation may fill here; this custodian's operator sets it (organisationQuota).`,
      { metadata: { limit: limits.organisationQuotaBytes, used: used.bytes, bytes } },
    )
  }
  const giveDisk = disk.reserve(bytes)
  const giveQuota = submissions.reserve(ticket.sponsor, bytes)
  return () => {
    giveDisk()
    giveQuota()
  }
}

/** @throws EpioneError `too-large` where one of the versions is longer than this custodian takes */
export function checkVersionSizes(metas: readonly VersionMeta[], { maxVersionBytes }: CustodyLimits): void {
  for (const { size } of metas) {
    if (size <= maxVersionBytes) continue
    throw new EpioneError(
      'too-large',
      `A version has ${size} bytes and this custodian takes ${maxVersionBytes}; its operator sets it (recordLimit).`,
      { metadata: { size, limit: maxVersionBytes } },
    )
  }
}
