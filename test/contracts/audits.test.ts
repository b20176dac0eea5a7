import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type AuditEntry,
  type AuditRecord,
  type AuditVerdict,
  auditRecordCodec,
  auditReportCodec,
  auditWindow,
  FORGIVEN_AFTER_WINDOWS,
} from '../../src/contracts/audits-formats.ts'
import { decodeEventData } from '../../src/contracts/events.ts'
import type { Genesis, Organisation, VoteBody } from '../../src/contracts/members-formats.ts'
import { accountCodec, counterCodec, custodiansCodec } from '../../src/contracts/members-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { compareBytes, toHex } from '../../src/encoding/bytes.ts'
import type { Receipt } from '../../src/ledger/receipt.ts'
import type { Transaction } from '../../src/ledger/transaction.ts'
import { property } from '../encoding/seeded.ts'
import { account, accountKey, act, genesisOf, organisation, plainOrganisation, World } from './world.ts'

const test = suite('audits on the ledger')

const WINDOW = 300_000
const VALIDATORS = ['nairobi', 'berlin', 'recife', 'pune', 'lima', 'accra', 'minato'] as const
/** Stores and does not validate. */
const store = (name: string, changes: Partial<Organisation> = {}): Organisation =>
  organisation(name, { consensusKey: null, power: 0, ...changes })

/** Seven validators of equal weight, of which more than a third are three, and two that only store. */
function worldOf(
  extra: readonly Organisation[] = [store('archive'), store('vault')],
  parameters: Partial<Genesis['parameters']> = {},
): World {
  const organisations = [...VALIDATORS.map(name => organisation(name)), ...extra, plainOrganisation('payer')]
  return new World(genesisOf({ organisations }, { auditWindowMs: WINDOW, ...parameters }))
}

const present = (world: World): number => auditWindow(world.timeMs, WINDOW)
const entry = (name: string, verdict: AuditVerdict, asked = 4, missed = verdict === 'silent' ? 4 : 0): AuditEntry => ({
  custodian: account(name),
  asked,
  missed,
  verdict,
})
function reportOf(world: World, reporter: string, entries: readonly AuditEntry[], window = present(world)): Transaction {
  const sorted = [...entries].sort((a, b) => compareBytes(a.custodian, b.custodian))
  return world.byMember(reporter, act('audits.report', auditReportCodec, { window, entries: sorted }))
}
const say = (world: World, reporter: string, verdict: AuditVerdict, name = 'archive'): Receipt =>
  world.run(reportOf(world, reporter, [entry(name, verdict)]))
const record = (world: World, name = 'archive'): AuditRecord => world.read(auditRecordCodec, stateKey.audit(account(name)))!
const custodians = (world: World): string[] => {
  const height = world.read(counterCodec, stateKey.custodiansHeight())!
  return world.read(custodiansCodec, stateKey.custodians(height))!.map(({ id }) => toHex(id))
}
const isCustodian = (world: World, name = 'archive'): boolean => custodians(world).includes(toHex(account(name)))
const names = ({ events }: Receipt): string[] => events.map(({ name }) => name)
/** To the beginning of a later window. */
const later = (world: World, windows = 1): void => {
  world.block([], { timeMs: (present(world) + windows) * WINDOW })
}
/** Three of seven find it so. */
const three = (world: World, verdict: AuditVerdict, name = 'archive'): string[] =>
  VALIDATORS.slice(0, 3).flatMap(reporter => names(say(world, reporter, verdict, name)))

test('more than a third of the weight makes a silent custodian absent, and it stays a member', () => {
  const world = worldOf()
  const before = custodians(world)
  assert.equal(names(say(world, 'nairobi', 'silent')), [])
  assert.equal(names(say(world, 'berlin', 'silent')), [])
  assert.ok(isCustodian(world), 'two of seven are no more than a third')
  const receipt = say(world, 'recife', 'silent')
  assert.equal(names(receipt), ['audits.absent'])
  assert.equal(receipt.events[0]?.subject, account('archive'))
  assert.equal(decodeEventData('audits.absent', receipt.events[0]!.data), { window: present(world) })
  assert.not.ok(isCustodian(world))
  assert.is(world.read(counterCodec, stateKey.custodiansHeight()), world.height, 'under the height of its own block')
  assert.equal(
    world.read(custodiansCodec, stateKey.custodians(0))!.map(({ id }) => toHex(id)),
    before,
    'the former set stays where anchors name it',
  )
  assert.is(world.read(accountCodec, accountKey('archive'))!.status, 'active')
  const { standing, since, asked, missed } = record(world)
  assert.equal([standing, since, asked, missed], ['absent', world.height, 12, 12])
})

test('liars below the bound do nothing, whatever they say and how often', () => {
  const world = worldOf()
  for (let round = 0; round < 4; round++) {
    for (const liar of ['nairobi', 'berlin']) for (let again = 0; again < 3; again++) say(world, liar, 'silent')
    later(world)
  }
  assert.ok(isCustodian(world), 'voices of different windows do not add up')
  // Nor do they hold what is dead in the set, or bring it back.
  say(world, 'nairobi', 'answers')
  say(world, 'berlin', 'answers')
  for (const honest of VALIDATORS.slice(2, 5)) say(world, honest, 'silent')
  assert.not.ok(isCustodian(world))
  later(world)
  say(world, 'nairobi', 'answers')
  say(world, 'berlin', 'answers')
  assert.not.ok(isCustodian(world))
})

test('who has no seat has no voice, and nobody speaks for itself', () => {
  const world = worldOf()
  for (const reporter of ['archive', 'vault', 'payer']) assert.is(say(world, reporter, 'silent', 'nairobi').code, 'not-validator')
  three(world, 'silent', 'nairobi')
  assert.ok(isCustodian(world, 'nairobi'), 'its own report and two others')
  assert.is(record(world, 'nairobi').voices.length, 2)
})

test('what answers again in a later window comes back, with the weight that it took to leave', () => {
  const world = worldOf()
  three(world, 'silent')
  assert.equal(three(world, 'answers'), [], 'not in the same window: who spoke, has spoken')
  for (const name of VALIDATORS.slice(3)) say(world, name, 'answers')
  assert.not.ok(isCustodian(world), 'and others neither')
  later(world)
  assert.equal(three(world, 'answers'), ['audits.returned'])
  assert.ok(isCustodian(world))
  assert.is(record(world).standing, 'present')
  assert.equal(custodians(world), [...custodians(world)].sort(), 'ascending by id')
})

test('one that comes and goes waits longer each time, until it has stayed for long', () => {
  const world = worldOf()
  const waits: number[] = []
  for (let absence = 0; absence < 4; absence++) {
    three(world, 'silent')
    let windows = 0
    while (!isCustodian(world)) {
      later(world)
      windows++
      three(world, 'answers')
    }
    waits.push(windows)
    later(world)
  }
  assert.equal(waits, [1, 2, 4, 8])
  later(world, FORGIVEN_AFTER_WINDOWS)
  three(world, 'silent')
  assert.is(record(world).absences, 1)
})

test('absences never take the set below n custodians', () => {
  const world = worldOf([], { n: 7, k: 3 })
  assert.equal(three(world, 'silent', 'minato'), ['audits.kept'])
  assert.ok(isCustodian(world, 'minato'))
  assert.equal(three(world, 'silent', 'minato'), [], 'said once')
  later(world)
  assert.equal(three(world, 'answers', 'minato'), ['audits.returned'])
  assert.is(record(world, 'minato').standing, 'present')
})

test('nor below n under a residency policy that had as many', () => {
  const inGermany = ['bonn', 'ulm', 'jena', 'kiel'].map(name => store(name, { jurisdiction: 'DE' }))
  const four = worldOf(inGermany)
  assert.equal(three(four, 'silent', 'kiel'), ['audits.kept'])
  assert.ok(isCustodian(four, 'kiel'))
  const five = worldOf([...inGermany, store('hof', { jurisdiction: 'DE' })])
  assert.equal(three(five, 'silent', 'kiel'), ['audits.absent'])
  assert.equal(three(five, 'silent', 'hof'), ['audits.kept'])
  // A policy that never had enough holds nobody.
  const one = worldOf([store('bonn', { jurisdiction: 'DE' })])
  assert.equal(three(one, 'silent', 'bonn'), ['audits.absent'])
})

test('a vote on an absent custodian does not bring it back, and a removed one is forgotten', () => {
  const world = worldOf()
  three(world, 'silent')
  let series = 0
  const decide = (proposal: VoteBody['proposal']): void => {
    const body = { series: series++, proposal }
    for (const { code } of world.block(VALIDATORS.slice(0, 5).map(voter => world.vote(voter, body))).receipts) assert.is(code, 'ok')
  }
  decide({ type: 'amend', value: { account: account('archive'), organisation: store('archive', { capacity: 500 }) } })
  assert.not.ok(isCustodian(world))
  later(world)
  three(world, 'answers')
  assert.ok(isCustodian(world))
  later(world)
  three(world, 'silent')
  decide({ type: 'remove', value: { account: account('archive') } })
  const before = record(world)
  later(world, 4)
  assert.equal(three(world, 'answers'), [])
  assert.equal(record(world), before)
  assert.not.ok(isCustodian(world))
})

test('reports of other windows and of wrong form are refused', () => {
  const world = worldOf()
  later(world, 2)
  const at = (window: number): string => world.run(reportOf(world, 'nairobi', [entry('archive', 'silent')], window)).code
  assert.is(at(present(world) + 1), 'bad-window')
  assert.is(at(present(world) - 2), 'bad-window')
  assert.is(at(present(world) - 1), 'ok')
  const raw = (entries: AuditEntry[]): string =>
    world.run(world.byMember('berlin', act('audits.report', auditReportCodec, { window: present(world), entries }))).code
  assert.is(raw([{ ...entry('archive', 'silent'), asked: 1, missed: 2 }]), 'bad-report')
  assert.is(raw([entry('archive', 'silent'), entry('archive', 'silent')]), 'bad-report')
  assert.is(raw([entry('payer', 'silent')]), 'ok', 'about one that stores nothing: passed over')
  assert.is(world.read(auditRecordCodec, stateKey.audit(account('payer'))), undefined)
})

test('a report that comes again changes no record', () => {
  const world = worldOf()
  later(world)
  const report = reportOf(world, 'nairobi', [entry('archive', 'silent')])
  world.run(report)
  const before = record(world)
  assert.is(world.run(report).code, 'seen')
  say(world, 'nairobi', 'silent')
  say(world, 'nairobi', 'answers')
  assert.equal(record(world), before)
})

test('who speaks of the present window before it is over cuts off nobody who speaks of the one before', () => {
  const world = worldOf()
  const about = (reporter: string, verdict: AuditVerdict, window: number): string[] =>
    names(world.run(reportOf(world, reporter, [entry('archive', verdict, 0, 0)], window)))
  later(world)
  about('nairobi', 'open', present(world))
  for (const honest of ['recife', 'pune']) assert.equal(about(honest, 'silent', present(world) - 1), [])
  assert.equal(about('lima', 'silent', present(world) - 1), ['audits.absent'])
  assert.not.ok(isCustodian(world))
  // And of its return neither.
  later(world, 2)
  about('nairobi', 'silent', present(world))
  for (const honest of ['recife', 'pune']) assert.equal(about(honest, 'answers', present(world) - 1), [])
  assert.equal(about('lima', 'answers', present(world) - 1), ['audits.returned'])
})

test('what comes late of a window before the last change of standing changes it no more', () => {
  const world = worldOf()
  three(world, 'silent')
  const silent = present(world)
  later(world)
  three(world, 'answers')
  assert.ok(isCustodian(world))
  const receipt = world.run(reportOf(world, 'accra', [entry('archive', 'silent')], silent))
  assert.equal([receipt.code, names(receipt)], ['ok', []])
  assert.ok(isCustodian(world))
  later(world)
  world.run(reportOf(world, 'accra', [entry('archive', 'silent')]))
  assert.is(record(world).voices.filter(({ window }) => window < present(world) - 1).length, 0, 'and then it is forgotten')
})

test(
  'nothing that up to f liars send, and whenever, keeps a dead custodian present or a living one away',
  property(random => {
    const verdicts = ['answers', 'silent', 'open'] as const
    for (let i = 0; i < 8; i++) {
      const world = worldOf()
      const order = [...VALIDATORS].map(name => ({ name, at: random.below(1_000_000) })).sort((a, b) => a.at - b.at)
      const [liars, honest] = [order.slice(0, 2), order.slice(2, 5 + random.below(3))].map(list => list.map(({ name }) => name))
      const lie = (): void => {
        if (random.below(2) === 0) return
        const about = present(world) - random.below(2)
        const entries = ['archive', 'vault'].map(name => entry(name, random.pick(verdicts), 1000, random.below(1000)))
        world.run(reportOf(world, random.pick(liars!), entries, about), { timeMs: world.timeMs + random.below(5_000) })
      }
      /** One window passes under lies, and more than a third say the same of it in the next. */
      const passes = (verdict: AuditVerdict): void => {
        const first = present(world)
        for (let j = random.below(6); j > 0; j--) lie()
        later(world)
        assert.is(present(world), first + 1)
        for (const name of honest!) {
          for (let j = random.below(4); j > 0; j--) lie()
          world.run(reportOf(world, name, [entry('archive', verdict)], first))
        }
        for (let j = random.below(4); j > 0; j--) lie()
      }
      passes('silent')
      assert.not.ok(isCustodian(world), 'dead')
      assert.ok(isCustodian(world, 'vault'), 'no voice but of liars')
      later(world, random.below(3))
      passes('answers')
      assert.ok(isCustodian(world), 'back')
      passes('silent')
      assert.not.ok(isCustodian(world), 'dead again')
    }
  }),
)

test(
  'whatever members say, the set keeps to its bounds and only who is absent is missing from it',
  property(random => {
    const world = worldOf([store('archive'), store('vault'), store('depot', { jurisdiction: 'DE' })])
    const stores = [...VALIDATORS, 'archive', 'vault', 'depot']
    const verdicts = ['answers', 'silent', 'open'] as const
    for (let i = 0; i < 60; i++) {
      const about = stores.filter(() => random.below(2) === 0)
      if (about.length > 0) {
        const entries = about.map(name => entry(name, verdicts[random.below(3)]!))
        assert.is(world.run(reportOf(world, random.pick(VALIDATORS), entries, present(world) - random.below(2))).code, 'ok')
      }
      if (random.below(4) === 0) later(world)
      assert.ok(custodians(world).length >= 4)
      for (const name of stores) {
        const known = world.read(auditRecordCodec, stateKey.audit(account(name)))
        assert.is(isCustodian(world, name), known?.standing !== 'absent', name)
        assert.ok((known?.voices.length ?? 0) <= 2 * VALIDATORS.length)
      }
    }
  }),
)

test.run()
