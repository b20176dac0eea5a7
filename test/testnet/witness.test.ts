import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Journal, openJournal } from '../../src/consensus/journal.ts'
import { type UnsignedVote, voteMessageSigningBytes } from '../../src/consensus/messages.ts'
import { nodeDisk } from '../../src/consensus/node-disk.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { Witness } from '../../testnet/faults/witness.ts'
import { chainId, genesis, testKeys, validatorSet } from '../consensus/network.ts'

interface Context {
  dir: string
  witness: Witness
}

const test = suite<Context>('witness against double signing')
const keys = testKeys(2)
const [key, other] = keys as [(typeof keys)[number], (typeof keys)[number]]
const tip = genesis(validatorSet([key, other]))
const UNLOCKED = { lockedRound: -1, lockedBlock: null, validRound: -1, validBlock: null }
const [blockA, blockB] = [sha256(Uint8Array.of(1)), sha256(Uint8Array.of(2))]

test.before.each(context => {
  context.dir = mkdtempSync(join(tmpdir(), 'epione-witness-'))
  context.witness = new Witness(chainId, [{ id: 'node1', dir: context.dir, consensusKey: key.publicKey }])
})
test.after.each(({ dir }) => rmSync(dir, { recursive: true, force: true }))

function vote(block: Uint8Array | null, round = 0): UnsignedVote {
  return { kind: 'prevote', height: 1, round, block, validator: key.publicKey }
}

/** A life of the validator: signs, and leaves its journal open. */
async function life(dir: string, votes: readonly UnsignedVote[], logged = true): Promise<Journal> {
  const journal = openJournal({ disk: nodeDisk(dir), chainId, key }, tip)
  for (const each of votes) {
    const signed = journal.signVote(each, UNLOCKED)
    if (logged) journal.log({ type: 'votes', value: [signed] })
  }
  await journal.sync()
  return journal
}

test('what an honest validator says, before and after a restart, is no conflict', async ({ dir, witness }) => {
  const first = await life(dir, [vote(blockA), vote(null, 1)])
  await witness.look(0)
  first.close()
  await witness.look(0, { atRest: true })
  const second = await life(dir, [vote(blockB, 2)])
  await witness.look(0)
  second.close()
  assert.equal(witness.findings, [])
  assert.equal(witness.counts, { statements: 3, looks: 3, torn: 0 })
})

test('two votes for one place are found, though no moment had both on the disk', async ({ dir, witness }) => {
  ;(await life(dir, [vote(blockA)])).close()
  await witness.look(0)
  for (const name of readdirSync(dir)) rmSync(join(dir, name))
  ;(await life(dir, [vote(blockB)])).close()
  await witness.look(0)
  assert.is(witness.findings.length, 1)
  assert.match(witness.findings[0] as string, 'node1 signed two prevotes at height 1, round 0')
})

test('the guard alone tells, where the log does not hold the vote', async ({ dir, witness }) => {
  ;(await life(dir, [vote(blockA)], false)).close()
  await witness.look(0)
  assert.is(witness.counts.statements, 1)
  const message = voteMessageSigningBytes(chainId, vote(blockB))
  witness.saw({ ...vote(null), message }, "node2's log")
  assert.is(witness.findings.length, 1)
})

test('a precommit of a certificate counts with those of the logs', ({ witness }) => {
  const certificate = { height: 1, round: 0, block: blockA, signatures: [{ validator: other.publicKey, signature: new Uint8Array(64) }] }
  witness.sawCertificate(certificate, 'block 1')
  witness.sawCertificate(certificate, "another node's block 1")
  assert.equal(witness.findings, [])
  const precommit = { kind: 'precommit' as const, height: 1, round: 0, block: null, validator: other.publicKey }
  witness.saw({ ...precommit, message: voteMessageSigningBytes(chainId, precommit) }, "node1's log")
  assert.is(witness.findings.length, 1)
  witness.sawCertificate({ ...certificate, round: 1, block: blockB }, 'block 1, later')
  assert.is(witness.findings.length, 1, 'another round is another place')
})

test('a log in the middle of a change is passed over; at rest it must be readable', async ({ dir, witness }) => {
  await witness.look(0, { atRest: true })
  assert.equal(witness.findings, [], 'nothing was signed yet')
  ;(await life(dir, [vote(blockA), vote(blockA, 1)])).close()
  truncateSync(join(dir, 'guard'), 8192)
  writeFileSync(join(dir, 'guard'), new Uint8Array(8192).fill(7))
  await witness.look(0)
  assert.equal([witness.findings.length, witness.counts.torn], [0, 1])
  await witness.look(0, { atRest: true })
  assert.equal(witness.findings, ['node1: what it signed cannot be read at rest (guard-corrupt)'])
})

test.run()
