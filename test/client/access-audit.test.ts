/** The table of what covers a release receipt, and what cannot be shown. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type AuditFacts, BlockTimes, judgeReceipts } from '../../src/client/access-audit.ts'
import { type AccessEntry, accessEntryId } from '../../src/contracts/access-formats.ts'
import type { AccessOpening } from '../../src/contracts/consent-terms.ts'
import type { Consent } from '../../src/contracts/consents-formats.ts'
import { toHex, utf8 } from '../../src/encoding/bytes.ts'
import { taggedHash } from '../../src/encoding/hash.ts'
import type { ReleaseReceipt } from '../../src/fragments/formats.ts'

const test = suite('what covers a release receipt')

const hash = (name: string): Uint8Array => taggedHash('test', utf8(name))
const MINUTE = 60_000

const entry: AccessEntry = {
  folder: hash('folder'),
  index: 0,
  organisation: hash('clinic'),
  consent: hash('consent'),
  commitment: hash('commitment'),
  until: 30 * MINUTE,
  height: 10,
  time: 10 * MINUTE,
}
const receipt: ReleaseReceipt = {
  chainId: hash('chain'),
  entry: accessEntryId(entry),
  folder: entry.folder,
  custodian: hash('custodian'),
  submissionRoot: hash('submission'),
  leaves: [0, 1],
  listed: false,
  height: 12,
  time: 0,
  sealedOpening: new Uint8Array(0),
}
const consent: Consent = {
  status: 'active',
  commitment: hash('consent commitment'),
  wrapHash: hash('wrap'),
  epoch: 0,
  expiry: 1000 * MINUTE,
  height: 5,
}
const opening: AccessOpening = {
  salt: hash('salt'),
  folder: entry.folder,
  reader: hash('reader'),
  role: 'physician',
  purpose: 'TREAT',
  records: null,
}

/** Blocks come every minute: of height h at minute h. */
function judge(
  changes: {
    entry?: Partial<AccessEntry> | null
    receipt?: Partial<ReleaseReceipt>
    consent?: Partial<Consent> | null
    opening?: Partial<AccessOpening> | null
    isSigned?: boolean
    known?: readonly number[]
    versionAt?: AuditFacts['versionAt']
  } = {},
): [string | null, string[]] {
  const line = { ...entry, ...changes.entry }
  const id = toHex(accessEntryId(line))
  const times = new BlockTimes()
  for (const height of changes.known ?? [12]) times.add(height, height * MINUTE)
  const base = { ...receipt, entry: accessEntryId(line), ...changes.receipt }
  const [judged] = judgeReceipts({
    entries: changes.entry === null ? [] : [line],
    receipts: [{ receipt: base, isSigned: changes.isSigned ?? true }],
    consents: changes.consent === null ? new Map() : new Map([[toHex(hash('consent')), { ...consent, ...changes.consent }]]),
    openings: changes.opening === null ? new Map() : new Map([[id, { ...opening, ...changes.opening }]]),
    times,
    ...(changes.versionAt === undefined ? {} : { versionAt: changes.versionAt }),
  })
  return [judged?.flaw ?? null, [...(judged?.doubts ?? [])]]
}

const clean: [null, string[]] = [null, []]
const version = (name: string) => ({ recordId: hash(name), version: 1 })
const only = { records: [version('a')] }

const ROWS: readonly [string, Parameters<typeof judge>[0], [string | null, string[]]][] = [
  ['all is well', {}, clean],
  ['signed by somebody else', { isSigned: false }, ['bad-signature', []]],
  ['no line in the log', { entry: null }, ['no-entry', []]],
  ['the line came later', { receipt: { height: 9 } }, ['before-entry', []]],
  ['in the block of the line', { receipt: { height: 10 }, known: [10] }, clean],
  ['the last block before the end', { receipt: { height: 29 }, known: [29] }, clean],
  ['the block at the end', { receipt: { height: 30 }, known: [30] }, ['after-session', []]],
  ['a later block bounds it', { receipt: { height: 20 }, known: [25] }, clean],
  ['an earlier block bounds it', { receipt: { height: 35 }, known: [31] }, ['after-session', []]],
  ['nothing bounds it', { receipt: { height: 20 }, known: [15, 40] }, [null, ['time-not-shown']]],
  ['revoked later', { consent: { status: 'revoked', height: 13 } }, clean],
  ['revoked at that height', { consent: { status: 'revoked', height: 12 } }, ['consent-ended', []]],
  ['revoked before', { consent: { status: 'revoked', height: 11 } }, ['consent-ended', []]],
  ['expired at that block', { consent: { expiry: 12 * MINUTE } }, ['consent-ended', []]],
  ['expires after it', { consent: { expiry: 12 * MINUTE + 1 } }, clean],
  ['the ledger shows no such consent', { consent: null }, [null, ['ground-not-checked']]],
  ['an organisation without a consent', { entry: { consent: null } }, [null, ['ground-not-checked']]],
  ['the owner', { entry: { organisation: null, consent: null }, consent: null }, clean],
  ['nobody opens the entry', { opening: null }, [null, ['opening-not-shown']]],
  ['limited, and the versions are not known', { opening: only }, [null, ['records-not-shown']]],
  ['limited to these', { opening: only, versionAt: () => version('a') }, clean],
  ['limited to others', { opening: only, versionAt: (_, leaf) => version(leaf === 0 ? 'a' : 'b') }, ['outside-records', []]],
]

for (const [name, changes, expected] of ROWS) test(name, () => assert.equal(judge(changes), expected))

test.run()
