import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { AccessOpening } from '../../src/contracts/consent-terms.ts'
import {
  clinicianPseudonym,
  type Emergency,
  emergencyCodec,
  emergencyCommitment,
  emergencyOpenBodyCodec,
  emergencyOpeningCodec,
  type ReviewOpening,
  reviewBodyCodec,
  reviewCommitment,
  reviewOpeningCodec,
} from '../../src/contracts/emergency-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { StateTree } from '../../src/ledger/state-tree.ts'
import { type Asker, checkEmergency, checkReview } from '../../src/node/desk-emergency.ts'
import { throwsCode } from '../encoding/throws.ts'
import { seedOf } from './cluster.ts'

const test = suite("an organisation's desk in emergencies")
const NOW = 1_750_000_000_000
const HOUR = 3_600_000
const [account, doctor, director, folder, entry] = ['account', 'doctor', 'director', 'folder', 'entry'].map(name => seedOf(name)) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
]

interface Emergencies {
  access?: Partial<AccessOpening>
  body?: Partial<Parameters<typeof emergencyOpenBodyCodec.encode>[0]>
  asker?: Partial<Asker>
}

function emergency({ access = {}, body = {}, asker = {} }: Emergencies = {}): void {
  const opening = {
    access: { salt: seedOf('salt'), folder, reader: doctor, role: 'paramedic', purpose: 'BTG' as const, records: null, ...access },
    reason: 'unconscious' as const,
  }
  const clinician = clinicianPseudonym(account, doctor)
  const bytes = emergencyOpenBodyCodec.encode({
    folder,
    commitment: emergencyCommitment(opening),
    clinician,
    until: NOW + 4 * HOUR,
    ...body,
  })
  const by = { account, person: doctor, role: 'paramedic', ...asker }
  assert.equal(checkEmergency(bytes, emergencyOpeningCodec.encode(opening), by, NOW), opening)
}

test('breaks the glass for its own people, under their own names, in roles for it', () => {
  emergency()
  const refused: Emergencies[] = [
    { asker: { role: 'physician' }, access: { role: 'physician' } },
    { asker: { person: director } },
    { asker: { account: seedOf('another account') } },
    { access: { role: 'emergency-physician' } },
    { access: { reader: director } },
    { access: { folder: seedOf('another folder') } },
    { access: { purpose: 'TREAT' } },
    { access: { records: [] } },
    { body: { commitment: seedOf('another commitment') } },
    { body: { clinician: seedOf('a new name') } },
    { body: { until: NOW + 4 * HOUR + 1 } },
  ]
  for (const choices of refused) throwsCode(() => emergency(choices), 'not-staff')
})

interface Reviews {
  opening?: Partial<ReviewOpening>
  body?: Partial<Parameters<typeof reviewBodyCodec.encode>[0]>
  asker?: Partial<Asker>
  known?: Partial<Emergency>
}

function review({ opening: changes = {}, body = {}, asker = {}, known = {} }: Reviews = {}): void {
  const person = asker.person ?? director
  const opening: ReviewOpening = {
    ...{ salt: seedOf('salt'), folder, entry, reviewer: person, role: 'medical-director', outcome: 'justified', comment: '' },
    ...changes,
  }
  const reviewer = clinicianPseudonym(account, person)
  const sealedHash = seedOf('sealed')
  const bytes = reviewBodyCodec.encode({ folder, entry, reviewer, commitment: reviewCommitment(opening), sealedHash, ...body })
  const value: Emergency = {
    ...{ organisation: account, clinician: clinicianPseudonym(account, doctor), time: NOW, until: NOW + HOUR, height: 1, review: null },
    ...known,
  }
  const state = StateTree.empty().apply([{ key: stateKey.emergency(folder, entry), value: emergencyCodec.encode(value) }])
  checkReview(bytes, reviewOpeningCodec.encode(opening), { account, person, role: 'medical-director', ...asker }, state)
}

test('closes a review of its own for another person, in a role for it', () => {
  review()
  throwsCode(() => review({ asker: { person: doctor } }), 'same-person')
  throwsCode(() => review({ known: { organisation: seedOf('another account') } }), 'not-found')
  const elsewhere = seedOf('another folder')
  throwsCode(() => review({ opening: { folder: elsewhere }, body: { folder: elsewhere } }), 'not-found')
  const refused: Reviews[] = [
    { asker: { role: 'physician' }, opening: { role: 'physician' } },
    { opening: { role: 'privacy-officer' } },
    { opening: { reviewer: doctor } },
    { opening: { entry: seedOf('another entry') } },
    { body: { commitment: seedOf('another outcome') } },
    { body: { reviewer: clinicianPseudonym(account, seedOf('somebody else')) } },
  ]
  for (const choices of refused) throwsCode(() => review(choices), 'not-staff')
})

test.run()
