/** Metrics of the disk, of what is kept for others, and of the custodians. */
import type { CustodianActivity } from '../node/activity.ts'
import { byLabel, type Metric, type Sample, single } from './metric.ts'

const STANDINGS: readonly CustodianActivity['standing'][] = ['present', 'kept', 'absent']

/** A metric of all custodians: each is named by account and organisation. */
function ofCustodians(
  type: Metric['type'],
  name: string,
  help: string,
  further: string | null,
  read: (custodian: CustodianActivity) => Readonly<Record<string, number | boolean>>,
): Metric {
  const labels = ['custodian', 'name', ...(further === null ? [] : [further])]
  const samplesOf = (custodian: CustodianActivity): Sample[] =>
    Object.entries(read(custodian)).map(([key, value]) => ({
      value,
      labels: { custodian: custodian.account, name: custodian.name, ...(further === null ? {} : { [further]: key }) },
    }))
  return { type, name, help, labels, read: ({ activity }) => activity.custodians.flatMap(samplesOf) }
}

const DISK_METRICS: readonly Metric[] = [
  single(
    'gauge',
    'epione_disk_free_bytes',
    'Room on the fullest disk of the data folder',
    ({ status }) => status.storage.disk?.freeBytes ?? null,
  ),
  single('gauge', 'epione_disk_bytes', 'Size of that disk', ({ status }) => status.storage.disk?.totalBytes ?? null),
  single(
    'gauge',
    'epione_disk_reserve_bytes',
    'Room below which no fragments are taken',
    ({ status }) => status.storage.disk?.reserveBytes ?? null,
  ),
  single('gauge', 'epione_disk_read_only', 'Whether fragments are refused for want of room: 1 or 0', ({ status }) =>
    status.storage.disk === null ? null : status.storage.disk.state === 'read-only',
  ),
  single('gauge', 'epione_ledger_bytes', 'Bytes of the ledger on the disk', ({ status }) => status.storage.ledger.bytes),
  single('gauge', 'epione_ledger_base_height', 'Lowest height whose transactions are kept', ({ status }) => status.storage.ledger.base),
  single(
    'gauge',
    'epione_storage_left_days',
    'Days until ledger and fragments fill their quota at the present growth; absent where they do not grow',
    ({ status }) => status.storage.ledger.daysLeft,
  ),
]

const CUSTODY_METRICS: readonly Metric[] = [
  single('gauge', 'epione_submissions', 'Submissions of which fragments are kept', ({ status }) => status.custody.submissions),
  single('gauge', 'epione_fragments', 'Fragments that are kept', ({ status }) => status.storage.fragments),
  single('gauge', 'epione_fragment_bytes', 'Bytes of these fragments', ({ status }) => status.storage.bytes),
  single('gauge', 'epione_fragment_quota_bytes', 'Bytes that fragments may fill', ({ status }) => status.storage.limits.bytes),
  byLabel(
    'counter',
    'epione_uploads_total',
    'Uploads since the start by how they ended: stored, or the code of the refusal',
    'outcome',
    ({ activity }) => activity.uploads.outcomes,
  ),
  single(
    'counter',
    'epione_upload_bytes_total',
    'Bytes of fragments that uploads brought since the start',
    ({ activity }) => activity.uploads.bytes,
  ),
  byLabel(
    'counter',
    'epione_releases_total',
    'Requests for fragments and lists since the start by how they ended: released, listed, or the code of the refusal',
    'outcome',
    ({ activity }) => activity.releases.outcomes,
  ),
  single(
    'counter',
    'epione_release_bytes_total',
    'Bytes of fragments that were released to readers since the start',
    ({ activity }) => activity.releases.bytes,
  ),
  single(
    'gauge',
    'epione_repairs_looked',
    'Whether all that is to be here was looked for since the start: 1 or 0',
    ({ status }) => status.custody.looked,
  ),
  single(
    'gauge',
    'epione_repairs_missing',
    'Submissions that are to be here and are not, or not in whole',
    ({ status }) => status.custody.missing,
  ),
  single('gauge', 'epione_repairs_running', 'Repairs under way', ({ status }) => status.custody.repairing),
  single(
    'counter',
    'epione_repairs_ordered_total',
    'Orders for repairs that reached the ledger since the start',
    ({ activity }) => activity.repairs.ordered,
  ),
  single('counter', 'epione_repairs_done_total', 'Submissions that were repaired since the start', ({ status }) => status.custody.repaired),
  single(
    'counter',
    'epione_repaired_bytes_total',
    'Bytes of fragments that repairs brought back since the start',
    ({ status }) => status.custody.repairedBytes,
  ),
  byLabel(
    'counter',
    'epione_repairs_failed_total',
    'Attempts of repairs that failed since the start',
    'code',
    ({ activity }) => activity.repairs.failed,
  ),
  single(
    'counter',
    'epione_scrub_damaged_total',
    'Fragments that reading through the disk found bad or gone since the start',
    ({ status }) => status.custody.corruptFound,
  ),
  single('gauge', 'epione_scrub_end_timestamp_seconds', 'When all fragments were last read through to the end', ({ status }) =>
    status.custody.lastScrub === 0 ? null : status.custody.lastScrub / 1000,
  ),
  single(
    'gauge',
    'epione_erasures_pending',
    'Folders whose erasures are not carried out here to the end',
    ({ activity }) => activity.erasures.pendingFolders,
  ),
  single('gauge', 'epione_erasure_keys_pending', 'Keys at rest that are to be destroyed', ({ activity }) => activity.erasures.pendingKeys),
  single(
    'gauge',
    'epione_erasures_unreadable',
    'Folders with erasures of which something cannot be opened here: nothing is signed for them',
    ({ activity }) => activity.erasures.unreadableFolders,
  ),
  single(
    'counter',
    'epione_erased_versions_total',
    'Versions that were destroyed here since the start',
    ({ activity }) => activity.erasures.erased,
  ),
  single(
    'gauge',
    'epione_announcements_waiting',
    'Announcements to the DHT that wait or are under way',
    ({ activity }) => activity.announcements.waiting,
  ),
  byLabel(
    'counter',
    'epione_announcements_total',
    'Announcements to the DHT since the start: made, and attempts that failed',
    'outcome',
    ({ activity }) => ({
      made: activity.announcements.made,
      failed: activity.announcements.failed,
    }),
  ),
]

const CUSTODIANS_METRICS: readonly Metric[] = [
  ofCustodians(
    'gauge',
    'epione_custodian_standing',
    '1 for the standing of a custodian on the ledger, 0 for the others',
    'standing',
    ({ standing }) => Object.fromEntries(STANDINGS.map(each => [each, each === standing])),
  ),
  ofCustodians(
    'counter',
    'epione_custodian_audits_total',
    'Challenges of a custodian that members reported on the ledger',
    null,
    ({ asked }) => ({ asked }),
  ),
  ofCustodians(
    'counter',
    'epione_custodian_audits_missed_total',
    'Those of them that it did not answer rightly: silence, loss, or wrong bytes',
    null,
    ({ missed }) => ({ missed }),
  ),
  ofCustodians(
    'counter',
    'epione_challenges_total',
    "This node's own challenges of a custodian since the start: right, silent, lost, wrong, or unsure where too few others answered to tell",
    'outcome',
    ({ challenges }) => challenges,
  ),
  ofCustodians(
    'counter',
    'epione_helper_failures_total',
    "What a custodian did wrong as a helper of this node's repairs since the start; wrong-sum counts all who took part in one that was wrong",
    'code',
    ({ helperFailures }) => helperFailures,
  ),
]

export const CUSTODY: readonly Metric[] = [...DISK_METRICS, ...CUSTODY_METRICS, ...CUSTODIANS_METRICS]
