import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { proposalEvidence, voteEvidence } from '../../src/consensus/evidence.ts'
import { walEntryCodec } from '../../src/consensus/inputs.ts'
import {
  batchesHash,
  type ConsensusMessage,
  candidateId,
  consensusMessageCodec,
  MAX_BUNDLE_VOTES,
  MAX_PROPOSAL_BATCHES,
  type Proposal,
  proposalCodec,
  proposalSigningBytes,
  signProposal,
  signVote,
  type UnsignedProposal,
  type Vote,
  voteCodec,
  voteMessageSigningBytes,
} from '../../src/consensus/messages.ts'
import { verifySignature } from '../../src/crypto/signature.ts'
import { MalformedError } from '../../src/encoding/errors.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { voteSigningBytes } from '../../src/ledger/certificate.ts'
import { type Evidence, evidenceCodec, verifyEvidence } from '../../src/ledger/evidence.ts'
import { MAX_VALIDATORS } from '../../src/ledger/limits.ts'
import { chainId, genesis, headerOn, testKeys, validatorSet } from './network.ts'

const test = suite('consensus messages')
const keys = testKeys(4)
const set = validatorSet(keys)
const [key, other] = [keys[0]!, keys[1]!]
const digest = (n: number): Uint8Array => sha256(Uint8Array.of(n, n >> 8))

function vote(block: Uint8Array | null, change: Partial<Vote> = {}): Vote {
  return signVote(chainId, { kind: 'precommit', height: 3, round: 1, block, validator: key.publicKey, ...change }, key)
}

function proposal(batches: Uint8Array[], change: Partial<UnsignedProposal> = {}): Proposal {
  const header = headerOn(genesis(set), key.publicKey, 1_800_000_000_000, batches)
  return signProposal(chainId, { height: 1, round: 2, validRound: null, header, batches, validator: key.publicKey, ...change }, key)
}

function refused(run: () => unknown): boolean {
  try {
    run()
    return false
  } catch (error) {
    return error instanceof MalformedError
  }
}

test('every message comes back as it was', () => {
  const decision = { header: proposal([]).header, certificate: { height: 1, round: 0, block: digest(1), signatures: [] } }
  const messages: ConsensusMessage[] = [
    { type: 'vote', value: vote(digest(1)) },
    { type: 'vote', value: vote(null, { kind: 'prevote' }) },
    { type: 'votes', value: [vote(digest(1)), vote(null)] },
    { type: 'proposal', value: proposal([digest(1), digest(2)]) },
    { type: 'proposal', value: proposal([], { validRound: 0 }) },
    { type: 'certificate', value: decision },
  ]
  for (const message of messages) assert.equal(consensusMessageCodec.decode(consensusMessageCodec.encode(message)), message)
})

test('the largest messages fit their bounds and those of the log', () => {
  const heights = { height: Number.MAX_SAFE_INTEGER, round: 1_000_000 }
  const votes = Array.from({ length: MAX_BUNDLE_VOTES }, () => vote(digest(1), heights))
  const bundle: ConsensusMessage = { type: 'votes', value: votes }
  assert.ok(consensusMessageCodec.encode(bundle).length <= consensusMessageCodec.maxBytes)
  walEntryCodec.encode({ type: 'input', value: { type: 'votes', value: votes } })
  const batches = Array.from({ length: MAX_PROPOSAL_BATCHES }, (_, i) => digest(i))
  const header = { ...headerOn(genesis(set), key.publicKey, Number.MAX_SAFE_INTEGER, []), height: heights.height }
  const largest = { ...proposal([]), ...heights, validRound: heights.round - 1, header, batches }
  assert.ok(proposalCodec.encode(largest).length <= proposalCodec.maxBytes)
  walEntryCodec.encode({ type: 'input', value: { type: 'proposal', value: { proposal: largest, timely: true } } })
  const signatures = Array.from({ length: MAX_VALIDATORS }, (_, i) => ({ validator: digest(i), signature: new Uint8Array(64) }))
  const certificate = { ...heights, block: digest(1), signatures }
  consensusMessageCodec.encode({ type: 'certificate', value: { header, certificate } })
  walEntryCodec.encode({ type: 'input', value: { type: 'certificate', value: { header, certificate } } })
})

test('what breaks the formats is refused', () => {
  assert.ok(
    refused(() => proposalCodec.encode({ ...proposal([]), validRound: 2 })),
    'validRound not below the round',
  )
  assert.ok(
    refused(() => proposalCodec.encode({ ...proposal([]), height: 2 })),
    'header of another height',
  )
  assert.ok(
    refused(() => consensusMessageCodec.encode({ type: 'votes', value: [] })),
    'an empty bundle',
  )
  assert.ok(
    refused(() => consensusMessageCodec.encode({ type: 'votes', value: [vote(null), vote(null, { height: 4 })] })),
    'two heights',
  )
  assert.ok(refused(() => voteCodec.encode({ ...vote(null), round: -1 })))
  assert.ok(
    refused(() => consensusMessageCodec.decode(new Uint8Array(200_000))),
    'too long',
  )
  const bytes = consensusMessageCodec.encode({ type: 'vote', value: vote(null) })
  for (let i = 0; i < bytes.length; i++)
    assert.ok(
      refused(() => consensusMessageCodec.decode(bytes.subarray(0, i))),
      `cut at ${i}`,
    )
})

test('a vote signs the bytes of the ledger certificate', () => {
  const signed = vote(digest(1))
  const { kind, height, round, block } = signed
  assert.equal(voteMessageSigningBytes(chainId, signed), voteSigningBytes({ chainId, kind, height, round, block }))
  assert.ok(verifySignature(key.publicKey, voteMessageSigningBytes(chainId, signed), signed.signature))
  assert.not(verifySignature(key.publicKey, voteMessageSigningBytes(digest(9), signed), signed.signature), 'another chain')
})

test('a proposal signs every field', () => {
  const signed = proposal([digest(1)])
  const message = proposalSigningBytes(chainId, signed)
  assert.ok(verifySignature(key.publicKey, message, signed.signature))
  const header = { ...signed.header, time: signed.header.time + 1 }
  for (const change of [{ height: 2 }, { round: 3 }, { validRound: 0 }, { header }, { batches: [digest(2)] }]) {
    assert.not.equal(proposalSigningBytes(chainId, { ...signed, ...change }), message)
  }
  assert.not.equal(batchesHash([digest(1), digest(2)]), batchesHash([digest(2), digest(1)]), 'order counts')
  assert.not.equal(candidateId(signed.header, []), candidateId(signed.header, [digest(1)]))
})

test('evidence of two votes verifies, in one form whichever came first', () => {
  const [a, b] = [vote(digest(1)), vote(null)]
  const evidence = voteEvidence(a, b)
  assert.equal(evidence, voteEvidence(b, a))
  assert.ok(verifyEvidence(chainId, evidenceCodec.decode(evidenceCodec.encode(evidence)), set))
})

test('evidence of two proposals verifies and is small', () => {
  const batches = Array.from({ length: MAX_PROPOSAL_BATCHES }, (_, i) => digest(i))
  for (const second of [proposal([digest(1)]), proposal(batches, { validRound: 1 })]) {
    const evidence = proposalEvidence(proposal(batches), second)
    assert.equal(evidence, proposalEvidence(second, proposal(batches)))
    const bytes = evidenceCodec.encode(evidence)
    assert.ok(bytes.length < 1024)
    assert.ok(verifyEvidence(chainId, evidenceCodec.decode(bytes), set))
  }
})

test('what is no offence is no evidence', () => {
  const first = vote(digest(1))
  const bad: [string, Evidence][] = [
    ['the same vote', voteEvidence(first, first)],
    ['the same content with another signature', voteEvidence(first, { ...first, signature: new Uint8Array(64) })],
    ['another round', voteEvidence(first, vote(null, { round: 2 }))],
    ['another height', voteEvidence(first, vote(null, { height: 4 }))],
    ['another kind', voteEvidence(first, vote(null, { kind: 'prevote' }))],
    ['another signer', voteEvidence(first, vote(null, { validator: other.publicKey }))],
    ['a forged signature', voteEvidence(first, { ...vote(null), signature: new Uint8Array(64) })],
    ['the wrong order', swap(voteEvidence(first, vote(null)))],
    ['the same proposal', proposalEvidence(proposal([]), proposal([]))],
    ['proposals of two rounds', proposalEvidence(proposal([]), proposal([], { round: 3 }))],
  ]
  for (const [name, evidence] of bad) assert.not(verifyEvidence(chainId, evidence, set), name)
  const good = voteEvidence(first, vote(null))
  assert.not(verifyEvidence(digest(9), good, set), 'another chain')
  assert.not(verifyEvidence(chainId, good, validatorSet(keys.slice(1))), 'no validator')
})

function swap({ type, value }: Evidence): Evidence {
  return { type, value: { first: value.second, second: value.first } } as Evidence
}

test.run()
