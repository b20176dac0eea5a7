/** Random consents and requests for property tests: few values, so that they meet often. */
import type { ConsentRequest } from '../../src/contracts/consent-decision.ts'
import {
  type Grantee,
  MAX_EXCEPTION_DEPTH,
  type Period,
  type Provision,
  PURPOSES,
  type Purpose,
  RECORD_CLASSES,
} from '../../src/contracts/consent-terms.ts'
import type { SeededRandom } from '../encoding/seeded.ts'
import { hashOf } from './world.ts'

const ORGANISATIONS = ['berlin', 'recife'].map(hashOf)
const PEOPLE = ['doctor', 'nurse'].map(hashOf)
const ROLES = ['physician', 'nurse', 'emergency-physician']
const CLASSES = RECORD_CLASSES.slice(0, 4)
const FAMILY: readonly Purpose[] = ['TREAT', 'ETREAT', 'ERTREAT', 'BTG', 'COC', 'HRESCH', 'CLINTRCH', 'CLINTRCHPC']

/** A purpose: mostly of one family, so that kinds meet, sometimes any. */
function randomPurpose(random: SeededRandom): Purpose {
  return random.pick(random.below(5) === 0 ? PURPOSES : FAMILY)
}

function some<T>(random: SeededRandom, items: readonly T[]): T[] {
  return random.below(2) === 0 ? [] : items.filter(() => random.below(2) === 0)
}

function randomGrantee(random: SeededRandom): Grantee {
  const organisation = random.pick(ORGANISATIONS)
  const kind = random.below(3)
  if (kind === 0) return { type: 'person', value: { organisation, key: random.pick(PEOPLE) } }
  return kind === 1
    ? { type: 'role', value: { organisation, role: random.pick(ROLES) } }
    : { type: 'organisation', value: { organisation } }
}

/** A period of small numbers that is not empty. */
function randomPeriod(random: SeededRandom): Period {
  const start = random.below(6)
  return { start, end: random.below(8) === 0 ? Number.MAX_SAFE_INTEGER : start + 1 + random.below(5) }
}

export function randomProvision(random: SeededRandom, depth = MAX_EXCEPTION_DEPTH): Provision {
  const root = depth === MAX_EXCEPTION_DEPTH
  const exceptions = depth === 0 ? 0 : random.below(4)
  return {
    decision: root ? (random.below(4) === 0 ? 'deny' : 'permit') : random.pick(['permit', 'deny']),
    grantee: random.below(3) === 0 ? randomGrantee(random) : null,
    purposes: [...new Set(Array.from({ length: random.below(2) * (1 + random.below(3)) }, () => randomPurpose(random)))],
    classes: some(random, CLASSES),
    dataPeriod: random.below(4) === 0 ? randomPeriod(random) : null,
    authors: random.below(3) === 0 ? some(random, ORGANISATIONS) : [],
    validity: random.below(4) === 0 ? randomPeriod(random) : null,
    exceptions: Array.from({ length: depth > 3 ? exceptions : Math.min(exceptions, 2) }, () => randomProvision(random, depth - 1)),
  }
}

export function randomConsentRequest(random: SeededRandom): ConsentRequest {
  return {
    reader: random.pick(PEOPLE),
    organisation: random.pick(ORGANISATIONS),
    role: random.pick(ROLES),
    purpose: randomPurpose(random),
    class: random.pick(CLASSES),
    dataTime: random.below(5) === 0 ? null : random.below(12),
    author: random.pick(ORGANISATIONS),
    time: random.below(12),
  }
}
