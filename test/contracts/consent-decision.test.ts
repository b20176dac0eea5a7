import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type ConsentRequest, decide } from '../../src/contracts/consent-decision.ts'
import type { Provision } from '../../src/contracts/consent-terms.ts'
import { hashOf } from './world.ts'

const test = suite('consent decision')

const berlin = hashOf('berlin')
const recife = hashOf('recife')
const doctor = hashOf('doctor')
const nurse = hashOf('nurse')

const request: ConsentRequest = {
  reader: doctor,
  organisation: berlin,
  role: 'physician',
  purpose: 'TREAT',
  class: 'laboratory',
  dataTime: 5000,
  author: recife,
  time: 1000,
}

function provision(decision: 'permit' | 'deny', limits: Partial<Provision> = {}): Provision {
  return {
    decision,
    grantee: null,
    purposes: [],
    classes: [],
    dataPeriod: null,
    authors: [],
    validity: null,
    exceptions: [],
    ...limits,
  }
}
const permit = (limits: Partial<Provision> = {}, ...exceptions: Provision[]): Provision => provision('permit', { ...limits, exceptions })
const deny = (limits: Partial<Provision> = {}, ...exceptions: Provision[]): Provision => provision('deny', { ...limits, exceptions })

const person = (organisation: Uint8Array, key: Uint8Array): Partial<Provision> => ({
  grantee: { type: 'person', value: { organisation, key } },
})
const role = (organisation: Uint8Array, name: string): Partial<Provision> => ({
  grantee: { type: 'role', value: { organisation, role: name } },
})
const org = (organisation: Uint8Array): Partial<Provision> => ({ grantee: { type: 'organisation', value: { organisation } } })
const lab: Partial<Provision> = { classes: ['laboratory'] }
const imaging: Partial<Provision> = { classes: ['imaging'] }
const treat: Partial<Provision> = { purposes: ['TREAT'] }
const research: Partial<Provision> = { purposes: ['HRESCH'] }

type Case = [what: string, provision: Provision, changes: Partial<ConsentRequest>, permitted: boolean, path: number[]]

const CASES: Case[] = [
  // No limits.
  ['a bare permit permits', permit(), {}, true, [0]],
  ['a bare deny denies', deny(), {}, false, [0]],
  // Grantee.
  ['the person', permit(person(berlin, doctor)), {}, true, [0]],
  ['another person of the organisation', permit(person(berlin, doctor)), { reader: nurse }, false, []],
  ['the person under another organisation', permit(person(berlin, doctor)), { organisation: recife }, false, []],
  ['the person in any role', permit(person(berlin, doctor)), { role: 'researcher' }, true, [0]],
  ['the role', permit(role(berlin, 'physician')), {}, true, [0]],
  ['another role', permit(role(berlin, 'physician')), { role: 'nurse' }, false, []],
  ['the role at another organisation', permit(role(berlin, 'physician')), { organisation: recife }, false, []],
  ['anybody in the role', permit(role(berlin, 'physician')), { reader: nurse }, true, [0]],
  ['a role that begins alike', permit(role(berlin, 'physician')), { role: 'physician-assistant' }, false, []],
  ['the organisation', permit(org(berlin)), {}, true, [0]],
  ['another organisation', permit(org(berlin)), { organisation: recife }, false, []],
  ['anybody of the organisation', permit(org(berlin)), { reader: nurse, role: 'clerk' }, true, [0]],
  ['a deny for another organisation is still no permit', deny(org(recife)), {}, false, []],
  // Purpose.
  ['the purpose', permit(treat), {}, true, [0]],
  ['another purpose', permit(treat), { purpose: 'HRESCH' }, false, []],
  ['emergency treatment is not treatment', permit(treat), { purpose: 'ETREAT' }, false, []],
  ['break-glass is not treatment', permit(treat), { purpose: 'BTG' }, false, []],
  ['one of several purposes', permit({ purposes: ['HPAYMT', 'TREAT'] }), {}, true, [0]],
  ['none of several purposes', permit({ purposes: ['HPAYMT', 'HOPERAT'] }), {}, false, []],
  // Class.
  ['the class', permit(lab), {}, true, [0]],
  ['another class', permit(lab), { class: 'imaging' }, false, []],
  ['one of several classes', permit({ classes: ['imaging', 'laboratory'] }), {}, true, [0]],
  ['the class other is a class of its own', permit({ classes: ['other'] }), {}, false, []],
  // Period of the data.
  ['data within the period', permit({ dataPeriod: { start: 4000, end: 6000 } }), {}, true, [0]],
  ['data at the start of the period', permit({ dataPeriod: { start: 5000, end: 6000 } }), {}, true, [0]],
  ['data at the end of the period', permit({ dataPeriod: { start: 4000, end: 5000 } }), {}, false, []],
  ['data before the period', permit({ dataPeriod: { start: 5001, end: 6000 } }), {}, false, []],
  ['data in the last millisecond', permit({ dataPeriod: { start: 4000, end: 5001 } }), {}, true, [0]],
  ['an empty period', permit({ dataPeriod: { start: 5000, end: 5000 } }), {}, false, []],
  ['undated data under a permit with a period', permit({ dataPeriod: { start: 0, end: 9000 } }), { dataTime: null }, false, []],
  ['undated data under a permit without a period', permit(), { dataTime: null }, true, [0]],
  ['undated data under a deny with a period', permit({}, deny({ dataPeriod: { start: 0, end: 1 } })), { dataTime: null }, false, [0, 0]],
  ['dated data outside a denied period', permit({}, deny({ dataPeriod: { start: 0, end: 1 } })), {}, true, [0]],
  ['dated data inside a denied period', permit({}, deny({ dataPeriod: { start: 0, end: 9000 } })), {}, false, [0, 0]],
  [
    'undated data does not reach a permitted period inside a deny',
    deny({}, permit({ dataPeriod: { start: 0, end: 9000 } })),
    { dataTime: null },
    false,
    [0],
  ],
  // Author.
  ['the author', permit({ authors: [recife] }), {}, true, [0]],
  ['another author', permit({ authors: [berlin] }), {}, false, []],
  ['one of several authors', permit({ authors: [berlin, recife] }), {}, true, [0]],
  ['a denied author', permit({}, deny({ authors: [recife] })), {}, false, [0, 0]],
  ['an author that is not the denied one', permit({}, deny({ authors: [berlin] })), {}, true, [0]],
  // Validity.
  ['before the validity', permit({ validity: { start: 1001, end: 2000 } }), {}, false, []],
  ['at the start of the validity', permit({ validity: { start: 1000, end: 2000 } }), {}, true, [0]],
  ['in the last millisecond of the validity', permit({ validity: { start: 0, end: 1001 } }), {}, true, [0]],
  ['at the end of the validity', permit({ validity: { start: 0, end: 1000 } }), {}, false, []],
  ['an exception that is not in force yet', permit({}, deny({ validity: { start: 1001, end: 2000 } })), {}, true, [0]],
  ['an exception in force', permit({}, deny({ validity: { start: 1000, end: 2000 } })), {}, false, [0, 0]],
  ['an exception that is over', permit({}, deny({ validity: { start: 0, end: 1000 } })), {}, true, [0]],
  // Several limits at once.
  ['all limits met', permit({ ...person(berlin, doctor), ...treat, ...lab, authors: [recife] }), {}, true, [0]],
  ['all limits but the purpose', permit({ ...person(berlin, doctor), ...research, ...lab }), {}, false, []],
  ['all limits but the class', permit({ ...person(berlin, doctor), ...treat, ...imaging }), {}, false, []],
  ['all limits but the reader', permit({ ...person(berlin, nurse), ...treat, ...lab }), {}, false, []],
  // Exceptions.
  ['a deny inside a permit', permit({}, deny(lab)), {}, false, [0, 0]],
  ['a deny inside a permit, elsewhere', permit({}, deny(imaging)), {}, true, [0]],
  ['a permit inside a deny', deny({}, permit(lab)), {}, true, [0, 0]],
  ['a permit inside a deny, elsewhere', deny({}, permit(imaging)), {}, false, [0]],
  ['an exception to an exception', permit({}, deny(lab, permit(treat))), {}, true, [0, 0, 0]],
  ['an exception to an exception, elsewhere', permit({}, deny(lab, permit(research))), {}, false, [0, 0]],
  ['an exception of an exception that does not match', permit({}, deny(imaging, permit(treat))), {}, true, [0]],
  ['exceptions of a provision that does not match', permit(imaging, permit(lab)), {}, false, []],
  ['four levels', permit({}, deny({}, permit({}, deny({})))), {}, false, [0, 0, 0, 0]],
  ['five levels', permit({}, deny({}, permit({}, deny({}, permit())))), {}, true, [0, 0, 0, 0, 0]],
  // Ties.
  ['deny after permit at one depth', permit({}, permit(lab), deny(treat)), {}, false, [0, 1]],
  ['deny before permit at one depth', permit({}, deny(treat), permit(lab)), {}, false, [0, 0]],
  ['two permits at one depth: the first is named', deny({}, permit(lab), permit(treat)), {}, true, [0, 0]],
  ['two denies at one depth: the first is named', permit({}, deny(lab), deny(treat)), {}, false, [0, 0]],
  ['a deny that does not match is no tie', deny({}, permit(lab), deny(imaging)), {}, true, [0, 0]],
  ['one deny among many permits', deny({}, permit(), permit(), deny(lab), permit()), {}, false, [0, 2]],
  [
    'deny of one branch against permit of another, both deeper',
    permit({}, permit(lab, permit()), permit(treat, deny())),
    {},
    false,
    [0, 1, 0],
  ],
  ['the deeper permit outweighs a deny of another branch', permit({}, deny(lab), permit(treat, permit())), {}, true, [0, 1, 0]],
  ['the deeper deny outweighs a permit of another branch', deny({}, permit(lab), permit(treat, deny())), {}, false, [0, 1, 0]],
  // What patients ask for.
  ['all but one nurse', permit({ ...org(berlin), ...treat }, deny(person(berlin, nurse))), { reader: nurse }, false, [0, 0]],
  ['all but one nurse: the doctor', permit({ ...org(berlin), ...treat }, deny(person(berlin, nurse))), {}, true, [0]],
  [
    'no social history, except for one doctor',
    permit(org(berlin), deny({ classes: ['social-history'] }, permit(person(berlin, doctor)))),
    { class: 'social-history' },
    true,
    [0, 0, 0],
  ],
  [
    'no social history, except for one doctor: the nurse',
    permit(org(berlin), deny({ classes: ['social-history'] }, permit(person(berlin, doctor)))),
    { class: 'social-history', reader: nurse },
    false,
    [0, 0],
  ],
  ['research on old data alone', permit({ ...research, dataPeriod: { start: 0, end: 4000 } }), { purpose: 'HRESCH' }, false, []],
  [
    'research on old data alone: old data',
    permit({ ...research, dataPeriod: { start: 0, end: 4000 } }),
    { purpose: 'HRESCH', dataTime: 10 },
    true,
    [0],
  ],
]

for (const [what, given, changes, permitted, path] of CASES) {
  test(what, () => {
    const before = structuredClone(given)
    assert.equal(decide({ provision: given, request: { ...request, ...changes } }), { permitted, path })
    assert.equal(given, before, 'the provision is left as it was')
  })
}

test('the table is as wide as it claims', () => {
  assert.ok(CASES.length >= 60)
  assert.is(new Set(CASES.map(([what]) => what)).size, CASES.length)
})

test.run()
