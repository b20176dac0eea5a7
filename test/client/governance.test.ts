/** Which member a text means. Votes and lists are shown over real nodes, in test/e2e/members.test.ts. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { findMember } from '../../src/client/governance.ts'
import type { MemberInfo } from '../../src/client/light-peer.ts'
import { parseHex } from '../../src/encoding/bytes.ts'
import { throwsCode } from '../encoding/throws.ts'
import { organisationOf } from '../node/cluster.ts'

const test = suite('finding a member')

const member = (id: string, name: string, status: MemberInfo['status'] = 'active'): MemberInfo => ({
  id: parseHex(id.padEnd(64, '0')) as Uint8Array,
  status,
  organisation: { ...organisationOf(0), name },
  former: [],
})
const members = [
  member('abcd01', 'Kisumu'),
  member('abcd02', 'Spree'),
  member('ef12', 'Rio'),
  member('ef34', 'Rio', 'removed'),
  member('77aa', 'Pune', 'removed'),
  member('0099', 'ef12'),
]
const found = (text: string): number => members.indexOf(findMember(members, text))

test('by account, by its first digits, by exact name', () => {
  assert.is(found('abcd01'.padEnd(64, '0')), 0)
  assert.is(found('ABCD02'), 1)
  assert.is(found('Spree'), 1)
  assert.is(found('Rio'), 2, 'an active member goes before a removed one of the same name')
  assert.is(found('ef34'), 3)
  assert.is(found('Pune'), 4)
})

test('what is unknown or ambiguous is refused', () => {
  for (const text of ['abc', 'spree', 'Spree ', '', 'ffff']) throwsCode(() => found(text), 'unknown-member')
  // Two accounts; and a name that is the beginning of another's account.
  for (const text of ['abcd', 'ef12']) throwsCode(() => found(text), 'ambiguous-member')
})

test.run()
