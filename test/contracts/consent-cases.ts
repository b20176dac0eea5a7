/**
 * The truth table of consents: what is permitted to whom. Each case is a provision, what differs from a physician of Berlin who asks, at
 * time 1000 and to treat, for a laboratory result of time 5000 that Recife wrote, and the verdict with the provision that decides:
 * [0] is the consent's own, [0, i] its exception i; empty where none matches.
 */
import type { ConsentRequest } from '../../src/contracts/consent-decision.ts'
import type { Provision } from '../../src/contracts/consent-terms.ts'
import { hashOf } from './world.ts'

export const berlin = hashOf('berlin')
export const recife = hashOf('recife')
const pune = hashOf('pune')
export const doctor = hashOf('doctor')
export const nurse = hashOf('nurse')

export const REQUEST: ConsentRequest = {
  reader: doctor,
  organisation: berlin,
  role: 'physician',
  purpose: 'TREAT',
  class: 'laboratory',
  dataTime: 5000,
  author: recife,
  time: 1000,
}

export function provision(decision: 'permit' | 'deny', limits: Partial<Provision> = {}): Provision {
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
export const permit = (limits: Partial<Provision> = {}, ...exceptions: Provision[]): Provision =>
  provision('permit', { ...limits, exceptions })
export const deny = (limits: Partial<Provision> = {}, ...exceptions: Provision[]): Provision => provision('deny', { ...limits, exceptions })

const person = (organisation: Uint8Array, key: Uint8Array): Partial<Provision> => ({
  grantee: { type: 'person', value: { organisation, key } },
})
const role = (organisation: Uint8Array, name: string): Partial<Provision> => ({
  grantee: { type: 'role', value: { organisation, role: name } },
})
const org = (organisation: Uint8Array): Partial<Provision> => ({ grantee: { type: 'organisation', value: { organisation } } })
const during = (start: number, end: number): Partial<Provision> => ({ validity: { start, end } })
const dated = (start: number, end: number): Partial<Provision> => ({ dataPeriod: { start, end } })
const to = (...purposes: Provision['purposes']): Partial<Provision> => ({ purposes })
const lab: Partial<Provision> = { classes: ['laboratory'] }
const imaging: Partial<Provision> = { classes: ['imaging'] }
const treat = to('TREAT')
const research = to('HRESCH')

export type ConsentCase = readonly [
  what: string,
  provision: Provision,
  changes: Partial<ConsentRequest>,
  permitted: boolean,
  path: readonly number[],
]

export const CASES: readonly ConsentCase[] = [
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

  // Kinds of a purpose: what is permitted for a purpose is permitted for its kinds, and not the other way round.
  ['emergency treatment is treatment', permit(treat), { purpose: 'ETREAT' }, true, [0]],
  ['treatment in an emergency room is treatment, two levels up', permit(treat), { purpose: 'ERTREAT' }, true, [0]],
  ['coordination of care is treatment', permit(treat), { purpose: 'COC' }, true, [0]],
  ['treatment within a trial is treatment', permit(treat), { purpose: 'CLINTRL' }, true, [0]],
  ['the health of the population under care is treatment', permit(treat), { purpose: 'POPHLTH' }, true, [0]],
  ['treatment is no emergency', permit(to('ETREAT')), { purpose: 'TREAT' }, false, []],
  ['an emergency is not an emergency room', permit(to('ERTREAT')), { purpose: 'ETREAT' }, false, []],
  ['an emergency room is an emergency', permit(to('ETREAT')), { purpose: 'ERTREAT' }, true, [0]],
  ['siblings are not each other: coordination for emergencies', permit(to('COC')), { purpose: 'ETREAT' }, false, []],
  ['care management belongs to running the organisation, not to treatment', permit(treat), { purpose: 'CAREMGT' }, false, []],
  ['care management is running the organisation', permit(to('HOPERAT')), { purpose: 'CAREMGT' }, true, [0]],
  ['training is running the organisation', permit(to('HOPERAT')), { purpose: 'TRAIN' }, true, [0]],
  ['test data, two levels below running the organisation', permit(to('HOPERAT')), { purpose: 'HTEST' }, true, [0]],
  ['fraud is not payment', permit(to('HPAYMT')), { purpose: 'FRAUD' }, false, []],
  ['eligibility is payment, two levels up', permit(to('HPAYMT')), { purpose: 'ELIGVER' }, true, [0]],
  ['payment is not coverage', permit(to('COVERAGE')), { purpose: 'HPAYMT' }, false, []],
  ['a trial with care is research', permit(research), { purpose: 'CLINTRCHPC' }, true, [0]],
  ['a trial with care is no treatment', permit(treat), { purpose: 'CLINTRCHPC' }, false, []],
  ['research is not a trial', permit(to('CLINTRCH')), { purpose: 'HRESCH' }, false, []],
  ['one kind of research is not another', permit(to('DSRCH')), { purpose: 'BIORCH' }, false, []],
  ['a disaster is public health', permit(to('PUBHLTH')), { purpose: 'DISASTER' }, true, [0]],
  ['public health is not research', permit(research), { purpose: 'PUBHLTH' }, false, []],
  ['what the family asks for is asked for the patient', permit(to('PATRQT')), { purpose: 'FAMRQT' }, true, [0]],
  ['what the patient asks for is not what the family does', permit(to('FAMRQT')), { purpose: 'PATRQT' }, false, []],
  ['marketing is nothing else', permit(to('TREAT', 'HPAYMT', 'HOPERAT', 'HRESCH', 'PUBHLTH', 'PATRQT')), { purpose: 'HMARKT' }, false, []],
  ['no purpose named is any purpose', permit(), { purpose: 'HMARKT' }, true, [0]],
  // Breaking the glass has a way of its own: a permit covers it only by its name.
  ['break-glass is not treatment', permit(treat), { purpose: 'BTG' }, false, []],
  ['break-glass is not emergency treatment', permit(to('ETREAT')), { purpose: 'BTG' }, false, []],
  ['break-glass by its name', permit(to('BTG')), { purpose: 'BTG' }, true, [0]],
  ['break-glass beside treatment', permit(to('TREAT', 'BTG')), { purpose: 'BTG' }, true, [0]],
  ['a permit for break-glass is none for emergencies', permit(to('BTG')), { purpose: 'ETREAT' }, false, []],
  ['who denies treatment denies it under that name too', permit({}, deny(treat)), { purpose: 'BTG' }, false, [0, 0]],
  ['who denies emergencies denies break-glass', permit({}, deny(to('ETREAT'))), { purpose: 'BTG' }, false, [0, 0]],
  ['who denies break-glass denies no emergency', permit({}, deny(to('BTG'))), { purpose: 'ETREAT' }, true, [0]],
  ['nothing but break-glass', deny({}, permit(to('BTG'))), { purpose: 'BTG' }, true, [0, 0]],
  ['nothing but break-glass: treatment', deny({}, permit(to('BTG'))), {}, false, [0]],
  // Denied purposes.
  ['a denied purpose denies its kinds', permit({}, deny(research)), { purpose: 'CLINTRCHNPC' }, false, [0, 0]],
  ['a denied kind leaves the purpose', permit({}, deny(to('CLINTRCH'))), { purpose: 'HRESCH' }, true, [0]],
  ['a denied kind leaves its siblings', permit({}, deny(to('CLINTRCH'))), { purpose: 'BIORCH' }, true, [0]],
  ['a kind permitted inside a denied purpose', permit({}, deny(research, permit(to('DSRCH')))), { purpose: 'DSRCH' }, true, [0, 0, 0]],
  [
    'a kind permitted inside a denied purpose: another kind',
    permit({}, deny(research, permit(to('DSRCH')))),
    { purpose: 'BIORCH' },
    false,
    [0, 0],
  ],
  ['treatment without trials', permit(treat, deny(to('CLINTRL'))), { purpose: 'CLINTRL' }, false, [0, 0]],
  ['treatment without trials: coordination', permit(treat, deny(to('CLINTRL'))), { purpose: 'COC' }, true, [0]],
  // Roles and organisations, also where they cross.
  ['a role is told apart by case', permit(role(berlin, 'physician')), { role: 'Physician' }, false, []],
  ['a role that ends alike', permit(role(berlin, 'physician')), { role: 'emergency-physician' }, false, []],
  ['the emergency physician', permit(role(berlin, 'emergency-physician')), { role: 'emergency-physician', purpose: 'ETREAT' }, true, [0]],
  ['no role at all', permit(role(berlin, 'physician')), { role: '' }, false, []],
  ['the organisation without a role', permit(org(berlin)), { role: '' }, true, [0]],
  ['the person of another key', permit(person(berlin, doctor)), { reader: hashOf('doctor!') }, false, []],
  ['the organisation but its clerks', permit(org(berlin), deny(role(berlin, 'clerk'))), { role: 'clerk' }, false, [0, 0]],
  ['the organisation but its clerks: a physician', permit(org(berlin), deny(role(berlin, 'clerk'))), {}, true, [0]],
  ['the role but one person', permit(role(berlin, 'physician'), deny(person(berlin, doctor))), {}, false, [0, 0]],
  ['the role but one person: a colleague', permit(role(berlin, 'physician'), deny(person(berlin, doctor))), { reader: nurse }, true, [0]],
  [
    'no role but one person',
    permit(org(berlin), deny(role(berlin, 'nurse'), permit(person(berlin, nurse)))),
    { role: 'nurse', reader: nurse },
    true,
    [0, 0, 0],
  ],
  [
    'a person who changed roles stays that person',
    permit(org(berlin), deny(person(berlin, nurse))),
    { reader: nurse, role: 'physician' },
    false,
    [0, 0],
  ],
  ['an exception for another organisation never meets', permit(org(berlin), deny(org(recife))), {}, true, [0]],
  ['a permit of another organisation inside the deny', permit({}, deny(org(berlin), permit(org(recife)))), {}, false, [0, 0]],
  [
    'person and role at one depth: deny wins',
    permit({}, permit(person(berlin, doctor)), deny(role(berlin, 'physician'))),
    {},
    false,
    [0, 1],
  ],
  ['organisation and person at one depth: deny wins', permit({}, deny(org(berlin)), permit(person(berlin, doctor))), {}, false, [0, 0]],
  // Ends of periods.
  ['the first millisecond of all', permit(during(0, 1)), { time: 0 }, true, [0]],
  ['one millisecond long, at its start', permit(during(1000, 1001)), {}, true, [0]],
  ['one millisecond long, after it', permit(during(1000, 1001)), { time: 1001 }, false, []],
  ['one millisecond long, before it', permit(during(1000, 1001)), { time: 999 }, false, []],
  ['no length, at its start', permit(during(1000, 1000)), {}, false, []],
  ['turned around', permit(during(2000, 500)), {}, false, []],
  [
    'the end that the formats know is excluded too',
    permit(during(0, Number.MAX_SAFE_INTEGER)),
    { time: Number.MAX_SAFE_INTEGER },
    false,
    [],
  ],
  ['the last millisecond before that', permit(during(0, Number.MAX_SAFE_INTEGER)), { time: Number.MAX_SAFE_INTEGER - 1 }, true, [0]],
  ['expired, though everything else holds', permit({ ...org(berlin), ...treat, ...lab, ...during(0, 1000) }), {}, false, []],
  ['a permit inside that is over leaves the deny', deny({}, permit(during(0, 1000))), {}, false, [0]],
  ['a permit inside in its last millisecond', deny({}, permit(during(0, 1001))), {}, true, [0, 0]],
  ['two that meet: at the border the second', permit({}, deny(during(0, 1000)), permit(during(1000, 2000))), {}, true, [0, 1]],
  [
    'two that meet: before the border the first',
    permit({}, deny(during(0, 1000)), permit(during(1000, 2000))),
    { time: 999 },
    false,
    [0, 0],
  ],
  ['two that overlap: deny wins', permit({}, deny(during(0, 1001)), permit(during(1000, 2000))), {}, false, [0, 0]],
  ['validity is of the reading, not of the record', permit(during(0, 2000)), { dataTime: 9_000_000 }, true, [0]],
  ['the period of the data is of the record, not of the reading', permit(dated(4000, 6000)), { time: 9_000_000 }, true, [0]],
  ['both periods', permit({ ...during(0, 2000), ...dated(4000, 6000) }), {}, true, [0]],
  ['both periods, one missed', permit({ ...during(0, 2000), ...dated(6000, 7000) }), {}, false, []],
  ['a record of the first millisecond', permit(dated(0, 1)), { dataTime: 0 }, true, [0]],
  ['undated data under a permit of all times', permit(dated(0, Number.MAX_SAFE_INTEGER)), { dataTime: null }, false, []],
  ['undated data under a deny of an empty period', permit({}, deny(dated(5, 5))), { dataTime: null }, false, [0, 0]],
  ['undated data, permitted inside the deny that met it', permit({}, deny(dated(0, 1), permit(lab))), { dataTime: null }, true, [0, 0, 0]],
  // Overlap of several limits.
  [
    'two exceptions, one of them narrower: depth counts, not narrowness',
    permit({}, deny(lab), permit({ ...lab, ...treat })),
    {},
    false,
    [0, 0],
  ],
  [
    'classes that overlap: the shared one',
    permit({ classes: ['laboratory', 'imaging'] }, deny({ classes: ['laboratory', 'document'] })),
    {},
    false,
    [0, 0],
  ],
  [
    'classes that overlap: the other one',
    permit({ classes: ['laboratory', 'imaging'] }, deny({ classes: ['laboratory', 'document'] })),
    { class: 'imaging' },
    true,
    [0],
  ],
  [
    'classes that overlap: outside the consent',
    permit({ classes: ['laboratory', 'imaging'] }, deny({ classes: ['laboratory', 'document'] })),
    { class: 'document' },
    false,
    [],
  ],
  ['all classes named is not one more', permit({ classes: ['other', 'device', 'demographics'] }), { class: 'administrative' }, false, []],
  ['a class named twice', permit({ classes: ['laboratory', 'laboratory'] }), {}, true, [0]],
  ['authors that overlap', permit({ authors: [recife, pune] }, deny({ authors: [recife] })), {}, false, [0, 0]],
  ['authors that overlap: the other one', permit({ authors: [recife, pune] }, deny({ authors: [recife] })), { author: pune }, true, [0]],
  ['limits of one exception are met together or not at all', permit({}, deny({ ...lab, authors: [berlin] })), {}, true, [0]],
  ['limits in two exceptions are met one by one', permit({}, deny(lab), deny({ authors: [berlin] })), {}, false, [0, 0]],
  // Depth.
  ['six levels, the deepest there may be', permit({}, deny({}, permit({}, deny({}, permit({}, deny()))))), {}, false, [0, 0, 0, 0, 0, 0]],
  ['six levels, cut at the fourth', permit({}, deny({}, permit({}, deny(imaging, permit({}, deny()))))), {}, true, [0, 0, 0]],
  ['a permit inside a permit changes nothing alone', permit(treat, permit(lab)), { class: 'imaging' }, true, [0]],
  ['a deny inside a deny changes nothing alone', deny({}, deny(lab)), {}, false, [0, 0]],
  ['a permit inside never reaches beyond its parent', permit(lab, permit(imaging)), { class: 'imaging' }, false, []],
  ['the sixteenth exception', permit({}, ...Array.from({ length: 15 }, () => permit(imaging)), deny(lab)), {}, false, [0, 15]],
  [
    'two branches of one depth, one cut: the other decides',
    permit({}, deny(imaging, permit()), permit(lab, deny(research), permit(treat))),
    {},
    true,
    [0, 1, 1],
  ],
  [
    'three depths in three branches: the deepest',
    permit({}, deny(lab), permit(treat, deny(lab)), permit({}, permit({}, permit(lab)))),
    {},
    true,
    [0, 2, 0, 0],
  ],
  [
    'equal depth in far branches: deny wins',
    permit({}, permit({}, permit()), permit({}, permit(treat)), permit({}, deny(lab))),
    {},
    false,
    [0, 2, 0],
  ],
  // What patients ask for.
  ['to treat, all but what one clinic wrote', permit({ ...org(berlin), ...treat }, deny({ authors: [recife] })), {}, false, [0, 0]],
  [
    'emergencies for a day, whatever is denied to the ward',
    permit(org(berlin), deny({ classes: ['condition'] }, permit({ ...to('ETREAT'), ...during(900, 1100) }))),
    { class: 'condition', purpose: 'ETREAT' },
    true,
    [0, 0, 0],
  ],
  [
    'emergencies for a day: the day after',
    permit(org(berlin), deny({ classes: ['condition'] }, permit({ ...to('ETREAT'), ...during(900, 1000) }))),
    { class: 'condition', purpose: 'ETREAT' },
    false,
    [0, 0],
  ],
  [
    'a study: old results, no names',
    permit({ ...research, ...dated(0, 6000) }, deny({ classes: ['demographics'] })),
    { purpose: 'CLINTRCHNPC' },
    true,
    [0],
  ],
  [
    'a study: names',
    permit({ ...research, ...dated(0, 6000) }, deny({ classes: ['demographics'] })),
    { purpose: 'CLINTRCHNPC', class: 'demographics' },
    false,
    [0, 0],
  ],
  [
    'payers see what treatment needs not',
    permit({ ...org(pune), ...to('HPAYMT'), classes: ['administrative'] }),
    { organisation: pune, role: 'clerk', purpose: 'COVAUTH', class: 'administrative' },
    true,
    [0],
  ],
  [
    'payers do not see results',
    permit({ ...org(pune), ...to('HPAYMT'), classes: ['administrative'] }),
    { organisation: pune, role: 'clerk', purpose: 'COVAUTH' },
    false,
    [],
  ],
]
