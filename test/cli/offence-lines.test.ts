import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { offenceLines, offencesSchema, seatSchema } from '../../cli/offence-lines.ts'

const test = suite('double signing in a status')

const offence = { name: 'Spree\u001b[2J Clinic', account: 'aa', validator: 'bb', kind: 'precommit', height: 7, round: 2, reportedAt: 9 }
const evicted = { ...offence, evictedAt: 9, seated: false }
const kept = { ...offence, name: 'Rio', kind: 'proposal', evictedAt: null, seated: true }
const left = { ...offence, name: 'Pune', kind: 'prevote', evictedAt: null, seated: false }

test('says who signed what twice, where, and what became of it', () => {
  assert.equal(offenceLines([]), [])
  const lines = offenceLines(offencesSchema.parse([evicted, kept, left]))
  assert.match(lines[2]!, /^Spree \[2J Clinic +two precommits at height 7, round 2 +reported in block 9 +evicted in block 9$/)
  assert.match(lines[3]!, /^Rio +two proposals at .* KEEPS ITS SEAT: the members decide$/)
  assert.match(lines[4]!, /^Pune +two prevotes at .* holds no seat$/)
})

test('what a node says is checked', () => {
  assert.not.ok(offencesSchema.safeParse([{ ...evicted, kind: 'wish' }]).success)
  assert.not.ok(offencesSchema.safeParse(Array.from({ length: 300 }, () => evicted)).success)
  assert.not.ok(seatSchema.safeParse({ state: 'throne', since: null, summary: '' }).success)
  assert.ok(seatSchema.safeParse({ state: 'held', since: null, summary: 'x' }).success)
})

test.run()
