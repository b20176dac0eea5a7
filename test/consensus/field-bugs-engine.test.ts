/** Bugs that were found in real BFT engines, each as a test: those of logs, restarts, decoders and commits. See field-bugs.test.ts. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openJournal } from '../../src/consensus/journal.ts'
import { type ConsensusMessage, consensusMessageCodec, MAX_BUNDLE_VOTES, signProposal, signVote } from '../../src/consensus/messages.ts'
import { nodeDisk } from '../../src/consensus/node-disk.ts'
import { proposerAt } from '../../src/consensus/proposer.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { encodeCanonical } from '../../src/encoding/cbor.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { merkleProof, merkleRoot, verifyMerkleProof } from '../../src/encoding/merkle.ts'
import { certificateCodec, verifyCertificate, voteSigningBytes } from '../../src/ledger/certificate.ts'
import { headerHash } from '../../src/ledger/header.ts'
import { MAX_VALIDATORS } from '../../src/ledger/limits.ts'
import { throwsCode } from '../encoding/throws.ts'
import { chainId, genesis, headerOn, TestApplication, TestNetwork, testKeys, validatorSet } from './network.ts'

const test = suite('bugs of real engines: logs, restarts, decoders')
const keys = testKeys(4)
const set = validatorSet(keys)

async function withNetwork(seed: number, run: (network: TestNetwork) => Promise<void>): Promise<void> {
  const network = new TestNetwork({ seed })
  try {
    await run(network)
    assert.equal(network.failures, [])
    assert.equal(network.conflicts(), [], 'nothing was signed twice')
    assert.ok(network.agree(), 'no two nodes differ at a height')
  } finally {
    await network.close()
  }
}

test('Besu 8307: validators that a quorum needs are wiped and rejoin: they synchronise, and the round timer moves on', () =>
  withNetwork(1, async network => {
    await network.start()
    for (let name = 1; name <= 3; name++) {
      network.addWork(name)
      assert.ok(await network.until(() => network.heights().every(height => height === name)))
    }
    await network.stop(0, 1)
    for (const i of [0, 1]) {
      rmSync(network.dirs[i]!, { recursive: true })
      network.applications[i] = new TestApplication(genesis(network.set))
    }
    await network.start(0, 1)
    // A node without a chain has no work of its own: it hears of the height from the others, and synchronises.
    network.addWork(4, 2, 3)
    assert.ok(await network.until(() => network.heights().every(height => height >= 4), 60_000), network.heights().join())
    network.addWork(5)
    assert.ok(await network.until(() => network.applications.every(({ work }) => work.size === 0), 60_000))
  }))

test('Polygon Edge 261: after two hours without a quorum the next block comes within two round timeouts', () =>
  withNetwork(2, async network => {
    await network.start()
    network.addWork(1)
    assert.ok(await network.until(() => network.heights().every(height => height === 1)))
    await network.stop(2, 3)
    network.addWork(2)
    assert.not(await network.until(() => Math.max(...network.heights()) > 1, 2 * 3_600_000))
    const { timeouts } = network.engines[0]!.status()
    await network.start(2, 3)
    const sinceMs = network.clock.now()
    assert.ok(await network.until(() => network.heights().every(height => height >= 2), 60_000))
    const limit = 2 * timeouts.rebroadcastMs
    assert.ok(network.clock.now() - sinceMs <= limit, `${network.clock.now() - sinceMs} ms of ${limit}`)
  }))

test('Malachite 864: a proposer that restarts says its first proposal again and builds no second value for the round', () =>
  withNetwork(3, async network => {
    const proposer = network.keys.findIndex(({ publicKey }) => equalBytes(publicKey, proposerAt(network.set, 1, 0).publicKey))
    const application = network.applications[proposer]!
    const create = application.createValue.bind(application)
    const built: number[] = []
    application.createValue = (height, round, ...rest) => {
      built.push(round)
      return create(height, round, ...rest)
    }
    network.lose = ({ message }) => message.type !== 'proposal'
    await network.start()
    network.addWork(1)
    assert.ok(await network.until(() => network.engines.every(engine => engine!.status().step === 'prevote')))
    await network.stop(proposer)
    // What a second value would be made of has changed meanwhile.
    network.addWork(2)
    await network.start(proposer)
    await network.settle()
    assert.is(network.engines[proposer]!.status().step, 'prevote', 'the log gave back the proposal and the prevote')
    network.lose = () => false
    assert.ok(await network.until(() => network.heights().every(height => height === 1)))
    assert.equal(built, [0])
    assert.is(network.applications[0]!.blocks[0]!.certificate.round, 0)
  }))

test('CometBFT ASA-2025-002: a proof for another index than it claims is refused', () => {
  const leaves = Array.from({ length: 7 }, (_, i) => sha256(Uint8Array.of(i)))
  const root = merkleRoot(leaves)
  for (let index = 0; index < leaves.length; index++) {
    const proof = merkleProof(leaves, [index])
    for (let claimed = 0; claimed < leaves.length; claimed++) {
      assert.is(verifyMerkleProof(root, leaves.length, claimed, leaves[index]!, proof), claimed === index, `${index} as ${claimed}`)
    }
  }
})

test('CometBFT ASA-2025-003: no length that a message claims is believed', () => {
  const tuple = (message: ConsensusMessage): number[] => [...consensusMessageCodec.encode(message)]
  const vote = signVote(chainId, { kind: 'prevote', height: 1, round: 0, block: null, validator: keys[0]!.publicKey }, keys[0]!)
  const bytes = tuple({ type: 'votes', value: [vote] })
  const name = bytes.findIndex((byte, i) => byte === 0x81 && i > 2)
  assert.ok(name > 0, 'the head of the list of votes')
  // A list of 2^32 - 1 and of 2^53 votes, a byte string of 4 GiB, in a frame of a few hundred bytes.
  for (const head of [
    [0x9a, 0xff, 0xff, 0xff, 0xff],
    [0x9b, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    [0x5a, 0xff, 0xff, 0xff, 0xff],
  ]) {
    const claimed = Uint8Array.from([...bytes.slice(0, name), ...head, ...bytes.slice(name + 1)])
    throwsCode(() => consensusMessageCodec.decode(claimed), 'malformed')
  }
  const tooMany = encodeCanonical(['votes', Array.from({ length: MAX_BUNDLE_VOTES + 1 }, () => [0])])
  throwsCode(() => consensusMessageCodec.decode(tooMany), 'malformed')
  const signatures = Array.from({ length: MAX_VALIDATORS + 1 }, () => [new Uint8Array(32), new Uint8Array(64)])
  throwsCode(() => certificateCodec.decode(encodeCanonical([1, 0, new Uint8Array(32), signatures])), 'malformed')
})

test('CometBFT "Tachyon", January 2026: an unknown signer spoils a commit, and signers have no say in block time', () => {
  const header = headerOn(genesis(set), keys[0]!.publicKey, 1_800_000_000_000, [])
  const content = { chainId, kind: 'precommit' as const, height: 1, round: 0, block: headerHash(header) }
  const [stranger] = testKeys(5).filter(({ publicKey }) => !keys.some(key => equalBytes(key.publicKey, publicKey)))
  const signed = (signers: typeof keys) => ({
    height: 1,
    round: 0,
    block: headerHash(header),
    signatures: signers
      .map(key => ({ validator: key.publicKey, signature: key.sign(voteSigningBytes(content)) }))
      .sort((a, b) => (toHex(a.validator) < toHex(b.validator) ? -1 : 1)),
  })
  verifyCertificate(header, signed(keys.slice(0, 3)), set)
  throwsCode(() => verifyCertificate(header, signed([...keys, stranger!]), set), 'invalid-certificate')
  // Nothing in a vote is a time: the bytes of two precommits for one block are the same, whoever signs and whenever.
  assert.equal(voteSigningBytes(content), voteSigningBytes({ ...content }))
  assert.equal(Object.keys(content).sort(), ['block', 'chainId', 'height', 'kind', 'round'])
})

test('CometBFT 5668: what was signed is respected at the very height, not one too few and not one too many', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'epione-boundary-'))
  try {
    const key = keys[0]!
    const tips = [genesis(validatorSet([key]))]
    for (let height = 1; height <= 5; height++) {
      const parent = tips[height - 1]!
      const header = headerOn(parent, key.publicKey, parent.header.time + 1, [])
      tips.push({ header, hash: headerHash(header), validators: parent.validators })
    }
    for (let standing = 0; standing <= 5; standing++) {
      const disk = nodeDisk(join(dir, `${standing}`))
      // Signs at height 3 and loses the log; comes back standing on each of the blocks 0 to 5.
      const first = openJournal({ disk, chainId, key }, tips[2]!)
      const vote = { kind: 'prevote' as const, height: 3, round: 0, block: null, validator: key.publicKey }
      first.signVote(vote, { lockedRound: -1, lockedBlock: null, validRound: -1, validBlock: null })
      await first.sync()
      first.close()
      for (const wal of ['wal-0', 'wal-1']) rmSync(join(dir, `${standing}`, wal))
      const next = openJournal({ disk, chainId, key }, tips[standing]!)
      const votesAt = standing + 1
      assert.is(next.silentThrough >= votesAt, votesAt <= 3, `on block ${standing}`)
      if (votesAt <= 3) assert.is(next.silentThrough, 3)
      next.close()
    }
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test('SmartBFT 279: a message of a validator that is nothing but noise stops no node', () =>
  withNetwork(4, async network => {
    await network.start()
    const from = network.keys[1]!
    const header = headerOn(genesis(network.set), from.publicKey, network.clock.now(), [])
    const proposal = { height: 1, round: 0, validRound: null, header, batches: [], validator: from.publicKey }
    const message = consensusMessageCodec.encode({ type: 'proposal', value: signProposal(chainId, proposal, from) })
    for (let length = 0; length <= message.length; length++) {
      for (const engine of network.engines) engine!.receive(message.subarray(0, length), from.publicKey)
    }
    for (let at = 0; at < message.length; at++) {
      const flipped = message.slice()
      flipped[at]! ^= 1 << (at % 8)
      network.engines[0]!.receive(flipped, from.publicKey)
    }
    await network.settle()
    network.addWork(1)
    assert.ok(await network.until(() => network.heights().every(height => height === 1)))
    assert.ok(network.engines[0]!.status().drops.malformed > 0)
  }))

test.run()
