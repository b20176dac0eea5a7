/** The auditor's side: whom it asks, what it makes of the answers, and what it reports. Custodians are made up; the ledger is real. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type AuditEntry, auditReportCodec, auditWindow, NEW_RECORD } from '../../src/contracts/audits-formats.ts'
import { anchorBodyCodec, eraseBodyCodec } from '../../src/contracts/records-formats.ts'
import { equalBytes, toHex, utf8 } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { challengeSeed, fingerprint, pickedChunk } from '../../src/fragments/audit.ts'
import { disperseBytes } from '../../src/fragments/dispersal.ts'
import { CHUNK_BYTES } from '../../src/fragments/layout.ts'
import { place } from '../../src/fragments/placement.ts'
import { decodeTransaction } from '../../src/ledger/transaction.ts'
import { type AuditAnswer, type AuditChallenge, auditAnswerCodec, auditChallengeCodec } from '../../src/network/audit-messages.ts'
import { ChallengeBlocks } from '../../src/node/custodian/audit-period.ts'
import { AuditService } from '../../src/node/custodian/audit-service.ts'
import { AuditTally } from '../../src/node/custodian/audit-tally.ts'
import { latestCustodians } from '../../src/node/directory.ts'
import { nodeKeys, seedOf } from './cluster.ts'
import { CustodianWorld } from './custodian-world.ts'

const test = suite('auditing custodians')

const CODE = { n: 4, k: 2 }
const SIZE = 300_000
const OWN = nodeKeys(0)
const SUSPECT = nodeKeys(2)

type Custodian = (right: AuditAnswer) => AuditAnswer | Uint8Array

/** Windows of audits of which every custodian but one answers rightly, and that one as it likes. */
/** @param options `erasure`: the folder has an erasure; `all`: the others do as the suspect does */
async function audited(
  suspect: Custodian,
  windows = 2,
  options: { erasure?: boolean; all?: boolean } = {},
): Promise<{ reports: AuditEntry[][]; offences: string[]; codes: unknown[] }> {
  await using world = await CustodianWorld.open()
  const { chain, directory, clock } = world
  const root = seedOf('submission')
  await world.commit(
    'records',
    'anchor',
    anchorBodyCodec.encode({ folder: world.folder, epoch: 0, submissionRoot: root, sizeBucket: 20, ...CODE, memberHeight: 0 }),
  )
  if (options.erasure === true)
    await world.commit('records', 'erase', eraseBodyCodec.encode({ marks: [seedOf('another version')] }), 'owner')
  const { custodians } = latestCustodians(chain.tip.tree)
  const placed = place({ key: root, custodians, ...CODE, policy: null }).custodians
  const { fragments } = disperseBytes(
    Uint8Array.from({ length: SIZE }, (_, i) => (i * 31) ^ (i >> 7)),
    CODE,
  )
  const offences: string[] = []
  const reports: AuditEntry[][] = []
  let asked = 0
  const answer = async (challenge: AuditChallenge, holder: Uint8Array): Promise<AuditAnswer> => {
    asked++
    const block = (await new ChallengeBlocks(chain).at(challenge.height)) as Uint8Array
    const seed = challengeSeed({ block, challenger: OWN.account, submissionRoot: root, nonce: challenge.nonce })
    const chunk = pickedChunk(seed, SIZE, CODE)
    const fragment = fragments[placed.findIndex(({ id }) => equalBytes(id, holder))] as Uint8Array
    const bytes = fragment.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES)
    return { type: 'held', value: { versions: 1, size: SIZE, fingerprint: fingerprint(seed, root, bytes) } }
  }
  const service = new AuditService(
    { account: OWN.account, accountKey: OWN.signing },
    {
      chain,
      directory,
      holders: () => placed.map(({ id }) => id),
      responder: { answer: async challenge => await answer(challenge, OWN.account) },
      network: {
        request: async (peer: unknown, _protocol: string, bytes: Uint8Array) => {
          const holder = directory.byNetworkKey(peer as Uint8Array)?.id as Uint8Array
          const right = await answer(auditChallengeCodec.decode(bytes), holder)
          const given = options.all === true || equalBytes(holder, SUSPECT.account) ? suspect(right) : right
          return given instanceof Uint8Array ? given : auditAnswerCodec.encode(given)
        },
        report: (peer, offence) => {
          assert.equal(peer, SUSPECT.network.publicKey)
          offences.push(offence)
        },
      },
      transactions: {
        submit: async bytes => {
          const { content, id } = decodeTransaction(bytes)
          assert.equal([content.contract, content.action], ['audits', 'report'])
          reports.push(auditReportCodec.decode(content.body).entries)
          return id
        },
      },
      logger: world.logger,
      now: () => clock.now,
    },
  )
  const { auditWindowMs } = chain.parameters
  const goTo = async (time: number): Promise<void> => {
    clock.now = time
    await world.passTime(time - chain.tip.header.time)
  }
  // Far from the windows in which everything is reported. The window in which a node starts is not looked at.
  const first = Math.ceil(auditWindow(chain.tip.header.time, auditWindowMs) / 288) * 288 + 101
  await goTo(first * auditWindowMs - 1)
  service.tick()
  await service.idle()
  for (let window = first; window < first + windows; window++) {
    for (let round = 0; round < 4; round++) {
      await goTo((window + round / 8) * auditWindowMs)
      service.tick()
      await service.idle()
    }
  }
  assert.is(asked, (1 + 4 * windows) * CODE.n, 'one round in each eighth of a window, and everybody is asked')
  await goTo((first + windows) * auditWindowMs)
  service.tick()
  await service.stop()
  return { reports, offences, codes: world.errors }
}

const suspects = (reports: AuditEntry[][]): Omit<AuditEntry, 'custodian'>[] =>
  reports.map(entries => {
    assert.equal(
      entries.map(({ custodian }) => toHex(custodian)),
      [toHex(SUSPECT.account)],
      'the suspect alone',
    )
    const { custodian: _, ...rest } = entries[0] as AuditEntry
    return rest
  })

test('while all answer rightly nothing is reported: an idle chain sleeps on', async () => {
  const { reports, offences, codes } = await audited(right => right)
  assert.equal([reports, offences, codes], [[], [], []])
})

test('one that does not answer is reported silent', async () => {
  const { reports } = await audited(() => {
    throw new EpioneError('unreachable', 'gone')
  })
  const silent = { asked: 4, missed: 4, verdict: 'silent' }
  assert.equal(suspects(reports), [silent, silent])
})

test('one that says that it lost its fragment is reported to have missed, and not as silent', async () => {
  const { reports } = await audited(() => ({ type: 'lost', value: {} }), 1)
  assert.equal(suspects(reports), [{ asked: 4, missed: 4, verdict: 'answers' }])
})

test('one that answers with other bytes is found out, and no other is blamed', async () => {
  const { reports } = await audited(right => {
    assert.is(right.type, 'held')
    if (right.type !== 'held') return right
    const wrong = right.value.fingerprint.map(byte => byte ^ 0x55)
    return { type: 'held', value: { ...right.value, fingerprint: wrong } }
  }, 1)
  // All of one writer, who may have dispersed what is no codeword.
  assert.equal(suspects(reports), [{ asked: 4, missed: 4, verdict: 'open' }])
})

test('an erasure that the ledger does not know is no excuse', async () => {
  const erased = (): AuditAnswer => ({ type: 'erased', value: {} })
  const { reports } = await audited(erased, 1)
  assert.equal(suspects(reports), [{ asked: 4, missed: 4, verdict: 'answers' }])
  // Nor is one of another version of the folder, while the others hold this one.
  const again = await audited(erased, 1, { erasure: true })
  assert.equal(suspects(again.reports), [{ asked: 4, missed: 4, verdict: 'answers' }])
  const all = await audited(erased, 1, { erasure: true, all: true })
  assert.equal(all.reports, [])
})

test('bytes that are no answer are held against who sent them', async () => {
  const { reports, offences } = await audited(() => utf8('nonsense'), 1)
  assert.equal(suspects(reports), [{ asked: 4, missed: 4, verdict: 'silent' }])
  assert.ok(offences.length >= 4 && offences.every(offence => offence === 'malformed'))
})

const [one, two] = [seedOf('one'), seedOf('two')]
const present = () => NEW_RECORD

test('wrong answers weigh as silence once more authors are wronged than may be dishonest', () => {
  const tally = new AuditTally(1)
  for (const author of ['a', 'b']) {
    tally.note(one, 'right', seedOf(author))
    tally.note(two, 'wrong', seedOf(author))
  }
  assert.equal(tally.close(1, present), [{ custodian: two, asked: 2, missed: 2, verdict: 'silent' }])
})

test('who finds most of the others silent takes itself for cut off', () => {
  const tally = new AuditTally(1)
  for (const custodian of [one, two]) tally.note(custodian, 'silent', one)
  tally.note(seedOf('three'), 'right', one)
  assert.equal(tally.close(1, present), [])
})

test('trouble that lasts is reported ever more rarely, and all counts once a day', () => {
  const tally = new AuditTally(1)
  const reported: number[] = []
  for (let window = 1; window <= 300; window++) {
    tally.note(one, 'lost', two)
    tally.note(two, 'right', two)
    const entries = tally.close(window, present)
    if (entries.length > 0) reported.push(window)
    if (window === 288) assert.equal(entries.find(({ custodian }) => equalBytes(custodian, two))?.asked, 288)
    else assert.ok(entries.every(({ custodian }) => equalBytes(custodian, one)))
  }
  assert.equal(reported, [1, 2, 3, 4, 5, 6, ...Array.from({ length: 25 }, (_, i) => 12 * (i + 1))])
})

test('an absent custodian is spoken of when it answers and may come back, a kept one when it answers', () => {
  const absent = { ...NEW_RECORD, standing: 'absent' as const, sinceWindow: 10, absences: 3 }
  const verdicts = (outcome: 'silent' | 'lost' | 'right', record: typeof NEW_RECORD, window: number): string[] => {
    const tally = new AuditTally(1)
    tally.note(one, outcome, two)
    tally.note(two, 'right', two)
    return tally.close(window, id => (equalBytes(id, one) ? record : NEW_RECORD)).map(({ verdict }) => verdict)
  }
  assert.equal(verdicts('silent', absent, 14), [])
  assert.equal(verdicts('right', absent, 13), [], 'it waits its four windows')
  assert.equal(verdicts('right', absent, 14), ['answers'])
  assert.equal(verdicts('lost', absent, 14), ['answers'], 'it is there again, and repair finds its place')
  const kept = { ...NEW_RECORD, standing: 'kept' as const }
  assert.equal(verdicts('silent', kept, 13), [])
  assert.equal(verdicts('silent', kept, 24), ['silent'], 'others may have joined: it can leave now')
  assert.equal(verdicts('right', kept, 13), ['answers'])
})

test.run()
