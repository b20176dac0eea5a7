/** Double signing that is seen when its height is decided. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LATE_HEIGHTS, LateVotes } from '../../src/consensus/late-votes.ts'
import { signVote, type Vote } from '../../src/consensus/messages.ts'
import { signingKeyFromSeed } from '../../src/crypto/signature.ts'
import { verifyEvidence } from '../../src/ledger/evidence.ts'

const test = suite('late votes')
const chainId = new Uint8Array(32).fill(1)
const key = signingKeyFromSeed(new Uint8Array(32).fill(2))
const A = new Uint8Array(32).fill(10)
const B = new Uint8Array(32).fill(11)

function vote(height: number, block: Uint8Array | null, options: { kind?: Vote['kind']; round?: number } = {}): Vote {
  const { kind = 'precommit', round = 0 } = options
  return signVote(chainId, { kind, height, round, block, validator: key.publicKey }, key)
}

test('a second and different vote is evidence, once; the same one is none', () => {
  const late = new LateVotes()
  assert.equal(late.see([vote(5, A)]), [])
  assert.equal(late.see([vote(5, A)]), [])
  assert.not(late.isNews(vote(5, A)))
  assert.ok(late.isNews(vote(5, null)))
  const [found, ...more] = late.see([vote(5, null), vote(5, B)])
  assert.equal(more, [])
  assert.ok(found)
  assert.ok(verifyEvidence(chainId, found, { since: 0, validators: [{ publicKey: key.publicKey, power: 1 }] }))
  // Another round and another kind are other places.
  assert.equal(late.see([vote(5, B, { round: 1 }), vote(5, B, { kind: 'prevote' })]), [])
})

test('a certificate says what its validators precommitted', () => {
  const late = new LateVotes()
  assert.equal(late.see([vote(7, null)]), [])
  const { signature } = vote(7, A)
  const found = late.seeCertificate({ height: 7, round: 0, block: A, signatures: [{ validator: key.publicKey, signature }] })
  assert.is(found.length, 1)
})

test('heights that are long past are forgotten, and not looked at', () => {
  const late = new LateVotes()
  late.see([vote(5, A)])
  late.see([vote(5 + LATE_HEIGHTS, A)])
  assert.is(late.see([vote(5, B)]).length, 1)
  late.see([vote(6 + LATE_HEIGHTS, A)])
  assert.not(late.covers({ height: 5, round: 0 }))
  assert.equal(late.see([vote(5, null, { kind: 'prevote' }), vote(5, A, { kind: 'prevote' })]), [])
  assert.not(late.covers({ height: 6 + LATE_HEIGHTS, round: 1000 }))
})

test.run()
