import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { walEntryCodec } from '../../src/consensus/inputs.ts'
import { type ConsensusMessage, consensusMessageCodec, signProposal, signVote, type Vote } from '../../src/consensus/messages.ts'
import { openNodeFile } from '../../src/consensus/node-disk.ts'
import { proposerAt } from '../../src/consensus/proposer.ts'
import { WriteAheadLog } from '../../src/consensus/wal.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { verifyCertificate } from '../../src/ledger/certificate.ts'
import { verifyEvidence } from '../../src/ledger/evidence.ts'
import { headerHash } from '../../src/ledger/header.ts'
import { chainId, genesis, headerOn, type NetworkOptions, type Sent, TestApplication, TestNetwork } from './network.ts'

const test = suite('consensus engine')
const SEED = Number(process.env.TEST_SEED ?? 20_240)

async function withNetwork(options: Partial<NetworkOptions>, run: (network: TestNetwork) => Promise<void>): Promise<void> {
  const network = new TestNetwork({ seed: SEED, ...options })
  try {
    await run(network)
    assert.equal(network.failures, [], 'no engine stopped for good')
    assert.equal(network.conflicts(), [], 'no engine signed twice')
    assert.ok(network.agree(), 'no two nodes differ at a height')
  } catch (error) {
    console.error(`seed ${options.seed ?? SEED}`)
    throw error
  } finally {
    await network.close()
  }
}

function indexOf(network: TestNetwork, publicKey: Uint8Array): number {
  return network.keys.findIndex(key => equalBytes(key.publicKey, publicKey))
}

test('four validators decide what they are given, with certificates that verify', () =>
  withNetwork({}, async network => {
    await network.start()
    for (let name = 1; name <= 3; name++) {
      const batch = network.addWork(name)
      assert.ok(await network.until(() => network.heights().every(height => height === name)))
      for (const { blocks } of network.applications) {
        const block = blocks[name - 1]!
        assert.ok(block.batches.some(digest => equalBytes(digest, batch)))
        verifyCertificate(block.header, block.certificate, network.set)
      }
    }
    assert.equal(
      network.applications[0]!.validated.every(height => height <= 3),
      true,
    )
  }))

test('a height costs two waits for log and guard at most, beside that of the store', () =>
  withNetwork({}, async network => {
    await network.start()
    await network.settle()
    const before = network.engines.map(engine => engine!.status().syncs)
    for (let name = 1; name <= 8; name++) {
      network.addWork(name)
      assert.ok(await network.until(() => network.heights().every(height => height === name)))
    }
    for (const [i, engine] of network.engines.entries()) {
      const waits = engine!.status().syncs - before[i]!
      assert.ok(waits > 0 && waits <= 2 * 8, `${waits} waits for 8 heights`)
    }
  }))

test('one validator alone decides by itself', () =>
  withNetwork({ nodes: 1 }, async network => {
    await network.start()
    network.addWork(1)
    assert.ok(await network.until(() => network.heights()[0] === 1, 1000))
  }))

test('an idle chain stays idle, and wakes', () =>
  withNetwork({}, async network => {
    await network.start()
    assert.not(await network.until(() => network.log.length > 0, 3_600_000))
    assert.equal(network.clock.waiting, 0, 'no timer runs while there is nothing to do')
    assert.equal(network.engines[0]!.status().step, 'idle')
    network.addWork(1)
    assert.ok(await network.until(() => network.heights().every(height => height === 1), 1000))
    assert.not(await network.until(() => Math.max(...network.heights()) > 1, 3_600_000))
  }))

test('work that one node alone knows wakes the others', () =>
  withNetwork({}, async network => {
    await network.start()
    const notProposer = (indexOf(network, proposerAt(network.set, 1, 0).publicKey) + 1) % 4
    network.addWork(1, notProposer)
    assert.ok(await network.until(() => network.applications.some(({ blocks }) => blocks.some(({ batches }) => batches.length === 1))))
  }))

test('a heartbeat block is made when it is due and not before', () =>
  withNetwork({ heartbeatMs: 30_000 }, async network => {
    await network.start()
    assert.not(await network.until(() => Math.max(...network.heights()) > 0, 29_000))
    assert.ok(await network.until(() => network.heights().every(height => height === 1), 2000))
    assert.equal(network.applications[0]!.blocks[0]!.batches, [])
  }))

test('block time is strictly above the parent and at the proposer clock', () =>
  withNetwork({}, async network => {
    await network.start()
    for (let name = 1; name <= 3; name++) {
      network.addWork(name)
      await network.until(() => network.heights().every(height => height === name))
    }
    const times = network.applications[0]!.blocks.map(({ header }) => header.time)
    assert.ok(times.every((time, i) => i === 0 || time > times[i - 1]!))
  }))

test('a stopped proposer costs a round, not the chain', () =>
  withNetwork({}, async network => {
    const stopped = indexOf(network, proposerAt(network.set, 1, 0).publicKey)
    const running = [0, 1, 2, 3].filter(i => i !== stopped)
    await network.start(...running)
    const startedMs = network.clock.now()
    network.addWork(1, ...running)
    assert.ok(await network.until(() => running.every(i => network.heights()[i] === 1)))
    assert.equal(network.applications[running[0]!]!.blocks[0]!.certificate.round, 1)
    assert.ok(network.clock.now() - startedMs < 3000, 'about one timeoutPropose and one timeoutPrecommit of virtual time')
  }))

test('a proposer whose application fails costs a round', () =>
  withNetwork({}, async network => {
    const proposer = indexOf(network, proposerAt(network.set, 1, 0).publicKey)
    network.applications[proposer]!.createValue = () => Promise.reject(new Error('no'))
    await network.start()
    network.addWork(1)
    assert.ok(await network.until(() => network.heights().every(height => height === 1)))
    assert.equal(network.applications[0]!.blocks[0]!.certificate.round, 1)
  }))

test('without a quorum nothing is decided; once it is back, soon', () =>
  withNetwork({}, async network => {
    await network.start(0, 1)
    network.addWork(1)
    assert.not(await network.until(() => Math.max(...network.heights()) > 0, 3_600_000))
    await network.start(2)
    assert.ok(await network.until(() => [0, 1, 2].every(i => network.heights()[i]! >= 1), 30_000))
  }))

for (const seed of [1, 2, 3]) {
  test(`a network that loses, delays and reorders decides (seed ${seed})`, () =>
    withNetwork({ seed, lose: (_, random) => random() < 0.15, delayMs: random => 1 + Math.floor(random() * 20) * 20 }, async network => {
      await network.start()
      for (let name = 1; name <= 4; name++) network.addWork(name)
      const done = (): boolean => network.applications.every(({ work }) => work.size === 0)
      assert.ok(await network.until(done, 3_600_000))
    }))
}

test('f + 1 restart between precommit and decision: the same value, nothing signed twice', () =>
  withNetwork({}, async network => {
    // Nobody's precommit arrives: everybody is locked, nobody has decided.
    network.lose = ({ message }) => message.type === 'votes' || (message.type === 'vote' && message.value.kind === 'precommit')
    await network.start()
    network.addWork(1)
    assert.ok(await network.until(() => network.engines.every(engine => engine!.status().step === 'precommit')))
    const precommits = network.log.flatMap(({ message }) =>
      message.type === 'vote' && message.value.kind === 'precommit' ? [message.value] : [],
    )
    const locked = new Set(precommits.map(vote => vote.block && toHex(vote.block)))
    assert.equal(locked.size, 1)
    await network.stop(0, 1)
    // A write that the crash cut off.
    appendFileSync(join(network.dirs[0]!, 'wal-1'), Uint8Array.of(0, 0, 0, 40, 0, 0, 0, 0, 1, 2))
    await network.start(0, 1)
    for (const i of [0, 1]) {
      assert.equal(network.engines[i]!.status().lockedRound, 0)
      assert.equal(network.engines[i]!.status().step, 'precommit')
    }
    network.lose = () => false
    assert.ok(await network.until(() => network.heights().every(height => height === 1)))
    assert.equal([...locked][0], toHex(headerHash(network.applications[0]!.blocks[0]!.header)))
    assert.equal(
      network.events.filter(({ event }) => event === 'consensus.double-sign-refused'),
      [],
    )
  }))

for (const seed of [11, 12, 13]) {
  test(`nodes that restart at random times never sign twice (seed ${seed})`, () =>
    withNetwork({ seed, delayMs: random => 1 + Math.floor(random() * 8) * 40, lose: (_, random) => random() < 0.05 }, async network => {
      await network.start()
      for (let name = 1; name <= 6; name++) {
        network.addWork(name)
        const pause = Math.floor(network.random() * 600)
        await network.until(() => false, pause)
        const first = Math.floor(network.random() * 4)
        const nodes = [first, (first + 1) % 4]
        await network.stop(...nodes)
        await network.until(() => false, Math.floor(network.random() * 3000))
        await network.start(...nodes)
      }
      const done = (): boolean => network.applications.every(({ work }) => work.size === 0)
      assert.ok(await network.until(done, 3_600_000))
    }))
}

test('a node that lost its log does not vote at the height it signed in, and votes again at the next', () =>
  withNetwork({}, async network => {
    network.lose = ({ message }) => message.type === 'votes' || (message.type === 'vote' && message.value.kind === 'precommit')
    await network.start()
    network.addWork(1)
    assert.ok(await network.until(() => network.engines.every(engine => engine!.status().step === 'precommit')))
    await network.stop(2)
    rmSync(join(network.dirs[2]!, 'wal-1'))
    const before = network.log.length
    await network.start(2)
    assert.equal(network.engines[2]!.status().notVotingBecause, 'lost-log')
    network.lose = () => false
    assert.ok(await network.until(() => network.heights().every(height => height === 1)))
    // It may pass on its own earlier votes, which others give back to it; it signs nothing new.
    const own2 = ({ message }: Sent): string[] =>
      message.type === 'vote' && equalBytes(message.value.validator, network.keys[2]!.publicKey) ? [toHex(message.value.signature)] : []
    const earlier = new Set(network.log.slice(0, before).flatMap(own2))
    assert.equal(
      network.log
        .slice(before)
        .flatMap(own2)
        .filter(signature => !earlier.has(signature)),
      [],
    )
    assert.ok(network.engines[2]!.status().voting)
    network.addWork(2)
    assert.ok(await network.until(() => network.heights().every(height => height === 2)))
    const own = network.keys[2]!.publicKey
    const voted = (message: ConsensusMessage): boolean =>
      message.type === 'vote' && message.value.height === 2 && equalBytes(message.value.validator, own)
    assert.ok(network.log.some(({ message }) => voted(message)))
  }))

test('a guard that is ahead of the log binds the node to its lock', () =>
  withNetwork({}, async network => {
    network.lose = ({ message }) => message.type === 'votes' || (message.type === 'vote' && message.value.kind === 'precommit')
    await network.start()
    network.addWork(1)
    assert.ok(await network.until(() => network.engines.every(engine => engine!.status().step === 'precommit')))
    const precommitted = network.log
      .flatMap(({ message }) => (message.type === 'vote' ? [message.value] : []))
      .find(vote => vote.kind === 'precommit')!
    await network.stop(2)
    // The log as a power cut may leave it: its last entries, from the first vote of this node on, never reached the disk.
    const path = join(network.dirs[2]!, 'wal-1')
    const wal = new WriteAheadLog(openNodeFile(path))
    const payloads = wal.replay()
    wal.reset()
    for (const payload of payloads) {
      const entry = walEntryCodec.decode(payload)
      const own =
        entry.type === 'input' &&
        entry.value.type === 'votes' &&
        entry.value.value.some(vote => equalBytes(vote.validator, network.keys[2]!.publicKey))
      if (own) break
      wal.append(payload)
    }
    wal.close()
    await network.start(2)
    await network.settle()
    assert.equal(network.engines[2]!.status().lockedRound, 0)
    network.lose = () => false
    assert.ok(await network.until(() => network.heights().every(height => height === 1)))
    assert.equal(headerHash(network.applications[2]!.blocks[0]!.header), precommitted.block)
  }))

test('a log damaged below its synced end is a lost log', () =>
  withNetwork({}, async network => {
    network.lose = ({ message }) => message.type === 'votes' || (message.type === 'vote' && message.value.kind === 'precommit')
    await network.start()
    network.addWork(1)
    assert.ok(await network.until(() => network.engines.every(engine => engine!.status().step === 'precommit')))
    await network.stop(1)
    const path = join(network.dirs[1]!, 'wal-1')
    const bytes = readFileSync(path)
    bytes[40]! ^= 1
    writeFileSync(path, bytes)
    await network.start(1)
    assert.equal(network.engines[1]!.status().notVotingBecause, 'lost-log')
    assert.ok(
      network.events.some(({ event, fields }) => event === 'consensus.log-lost' && (fields as { code: string }).code === 'wal-corrupt'),
    )
    network.lose = () => false
    assert.ok(await network.until(() => network.heights().every(height => height === 1)))
  }))

test('an equivocator is found out by everybody, with evidence that verifies, and cannot stop the chain', () =>
  withNetwork({}, async network => {
    const liar = 3
    await network.start(0, 1, 2)
    network.addWork(1, 0, 1, 2)
    const key = network.keys[liar]!
    const vote = (name: number): Vote =>
      signVote(chainId, { kind: 'prevote', height: 1, round: 0, block: sha256(Uint8Array.of(name)), validator: key.publicKey }, key)
    for (const i of [0, 1, 2]) {
      for (const name of [1, 2, 3]) {
        network.engines[i]!.receive(consensusMessageCodec.encode({ type: 'vote', value: vote(name) }), key.publicKey)
      }
    }
    assert.ok(await network.until(() => [0, 1, 2].every(i => network.heights()[i] === 1)))
    for (const i of [0, 1, 2]) {
      const reports = network.misbehaviour.filter(({ at, code }) => at === i && code === 'double-sign')
      assert.equal(reports.length, 1, 'told once')
      assert.ok(equalBytes(reports[0]!.validator, key.publicKey))
      assert.ok(verifyEvidence(chainId, reports[0]!.evidence!, network.set))
    }
  }))

test('two proposals of one proposer are evidence and at most one of them is decided', () =>
  withNetwork({}, async network => {
    const liar = indexOf(network, proposerAt(network.set, 1, 0).publicKey)
    const honest = [0, 1, 2, 3].filter(i => i !== liar)
    const key = network.keys[liar]!
    await network.start(...honest)
    const tip = genesis(network.set)
    const proposals = [1, 2].map(name => {
      const batches = [network.addWork(name, ...honest)]
      const header = headerOn(tip, key.publicKey, network.clock.now() + name, batches)
      return signProposal(chainId, { height: 1, round: 0, validRound: null, header, batches, validator: key.publicKey }, key)
    })
    for (const [n, i] of honest.entries()) {
      const order = n === 0 ? [0, 1] : [1, 0]
      for (const p of order) {
        network.engines[i]!.receive(consensusMessageCodec.encode({ type: 'proposal', value: proposals[p]! }), key.publicKey)
      }
    }
    assert.ok(await network.until(() => honest.every(i => network.applications[i]!.work.size === 0)))
    const reports = network.misbehaviour.filter(({ code }) => code === 'double-sign')
    assert.equal(new Set(reports.map(({ at }) => at)).size, 3)
    assert.ok(reports.every(({ evidence }) => verifyEvidence(chainId, evidence!, network.set)))
  }))

test('a damaged guard keeps the engine from starting', async () => {
  const network = new TestNetwork({ seed: SEED, nodes: 1 })
  try {
    await network.start()
    network.addWork(1)
    await network.until(() => network.heights()[0] === 1)
    await network.stop()
    writeFileSync(join(network.dirs[0]!, 'guard'), new Uint8Array(8192).fill(7))
    try {
      await network.start()
      assert.unreachable('it must not start')
    } catch (error) {
      assert.is(errorCode(error), 'guard-corrupt')
    }
  } finally {
    await network.close()
  }
})

test('a validator whose guard is gone does not vote at its first height, unless its operator says so', () =>
  withNetwork({ nodes: 1 }, async network => {
    await network.start()
    network.addWork(1)
    assert.ok(await network.until(() => network.heights()[0] === 1))
    await network.stop()
    rmSync(network.dirs[0]!, { recursive: true })
    await network.start()
    assert.is(network.engines[0]!.status().notVotingBecause, 'lost-log')
    network.addWork(2)
    assert.not(await network.until(() => network.heights()[0] === 2, 60_000))
    await network.stop()
    rmSync(network.dirs[0]!, { recursive: true })
    network.voteDespiteLostLog = 2
    await network.start()
    assert.ok(await network.until(() => network.heights()[0] === 2))
  }))

test('bad frames are blamed on their sender and change nothing', () =>
  withNetwork({}, async network => {
    await network.start()
    const [from, other] = [network.keys[1]!, network.keys[2]!]
    const engine = network.engines[0]!
    const vote = { kind: 'prevote', height: 1, round: 0, block: null, validator: other.publicKey } as const
    const encode = (message: ConsensusMessage): Uint8Array => consensusMessageCodec.encode(message)
    engine.receive(Uint8Array.of(1, 2, 3), from.publicKey)
    engine.receive(new Uint8Array(1_000_000), from.publicKey)
    engine.receive(encode({ type: 'vote', value: signVote(chainId, vote, from) }), from.publicKey)
    const stranger = sha256(Uint8Array.of(5))
    engine.receive(encode({ type: 'vote', value: signVote(chainId, { ...vote, validator: stranger }, from) }), from.publicKey)
    const wrong = network.keys.find(({ publicKey }) => !equalBytes(publicKey, proposerAt(network.set, 1, 0).publicKey))!
    const header = headerOn(genesis(network.set), wrong.publicKey, network.clock.now(), [])
    const proposal = { height: 1, round: 0, validRound: null, header, batches: [], validator: wrong.publicKey }
    engine.receive(encode({ type: 'proposal', value: signProposal(chainId, proposal, wrong) }), from.publicKey)
    const certificate = { height: 1, round: 0, block: headerHash(header), signatures: [] }
    engine.receive(encode({ type: 'certificate', value: { header, certificate } }), from.publicKey)
    await network.settle()
    const codes = network.misbehaviour.filter(({ validator }) => equalBytes(validator, from.publicKey)).map(({ code }) => code)
    assert.equal([...codes].sort(), [
      'invalid-certificate',
      'invalid-signature',
      'malformed',
      'malformed',
      'unknown-validator',
      'wrong-proposer',
    ])
    assert.equal(engine.status().step, 'idle')
  }))

test('random bytes and flipped bits never break an engine', () =>
  withNetwork({}, async network => {
    await network.start()
    network.addWork(1)
    await network.until(() => network.heights().every(height => height === 1))
    const real = network.log.map(({ message }) => consensusMessageCodec.encode(message))
    for (let i = 0; i < 300; i++) {
      const frame = real[Math.floor(network.random() * real.length)]!.slice()
      for (let flips = 0; flips < 3; flips++) frame[Math.floor(network.random() * frame.length)]! ^= 1 << Math.floor(network.random() * 8)
      network.engines[0]!.receive(frame.subarray(0, Math.ceil(network.random() * frame.length)), network.keys[1]!.publicKey)
    }
    network.addWork(2)
    assert.ok(await network.until(() => network.heights().every(height => height === 2)))
  }))

test('a flood of one sender is dropped beyond its share and the chain goes on', () =>
  withNetwork({}, async network => {
    await network.start()
    const frame = Uint8Array.of(0xff)
    for (let i = 0; i < 10_000; i++) network.engines[0]!.receive(frame, network.keys[3]!.publicKey)
    assert.ok(network.engines[0]!.status().dropped > 0)
    network.addWork(1)
    assert.ok(await network.until(() => network.heights().every(height => height === 1)))
  }))

test('a proposal too far ahead of the clock gets nil from everybody', () =>
  withNetwork({}, async network => {
    const liar = indexOf(network, proposerAt(network.set, 1, 0).publicKey)
    const application = network.applications[liar]!
    const create = application.createValue.bind(application)
    application.createValue = (height, round, proposer, timeMs) => create(height, round, proposer, timeMs + 60_000)
    await network.start()
    network.addWork(1)
    assert.ok(await network.until(() => network.heights().every(height => height === 1)))
    const { header, certificate } = network.applications[0]!.blocks[0]!
    assert.equal(certificate.round, 1)
    assert.ok(header.time <= network.clock.now())
  }))

test('a proposal whose time is long past gets nil from everybody', () =>
  withNetwork({}, async network => {
    const liar = indexOf(network, proposerAt(network.set, 1, 0).publicKey)
    const application = network.applications[liar]!
    const create = application.createValue.bind(application)
    application.createValue = (height, round, proposer) => create(height, round, proposer, genesis(network.set).header.time + 1)
    await network.start()
    await network.until(() => false, 60_000)
    network.addWork(1)
    assert.ok(await network.until(() => network.heights().every(height => height === 1)))
    const { header, certificate } = network.applications[0]!.blocks[0]!
    assert.equal(certificate.round, 1)
    assert.ok(header.time > network.clock.now() - 30_000)
  }))

test('drops are counted by reason', () =>
  withNetwork({}, async network => {
    await network.start()
    const from = network.keys[1]!
    const engine = network.engines[0]!
    const at = (height: number, key = from): Vote =>
      signVote(chainId, { kind: 'prevote', height, round: 0, block: null, validator: key.publicKey }, key)
    const give = (message: ConsensusMessage): void => engine.receive(consensusMessageCodec.encode(message), from.publicKey)
    give({ type: 'vote', value: at(500) })
    await network.settle()
    give({ type: 'vote', value: at(1) })
    await network.settle()
    give({ type: 'vote', value: at(1) })
    give({ type: 'vote', value: { ...at(1), round: 1 } })
    engine.receive(Uint8Array.of(1), from.publicKey)
    await network.settle()
    const { drops } = engine.status()
    assert.equal([drops.future, drops.known, drops['invalid-signature'], drops.malformed], [1, 1, 1, 1])
  }))

test('a late node catches up and votes again', () =>
  withNetwork({}, async network => {
    await network.start(0, 1, 2)
    for (let name = 1; name <= 5; name++) {
      network.addWork(name, 0, 1, 2)
      await network.until(() => [0, 1, 2].every(i => network.heights()[i]! >= name))
    }
    await network.start(3)
    network.addWork(9)
    assert.ok(await network.until(() => network.heights().every(height => height >= 6)))
    network.addWork(10)
    const target = Math.max(...network.heights()) + 1
    assert.ok(await network.until(() => network.heights().every(height => height >= target)))
    assert.ok(network.log.some(({ from, message }) => from === 3 && message.type === 'vote' && message.value.height === target))
  }))

test('a node that missed the precommits decides by a certificate that a peer sends', () =>
  withNetwork({}, async network => {
    network.lose = ({ to, message }) => to === 3 && message.type === 'vote' && message.value.kind === 'precommit'
    await network.start()
    network.addWork(1)
    assert.ok(await network.until(() => network.heights().every(height => height === 1)))
    assert.ok(network.log.some(({ to, message }) => to === 3 && message.type === 'certificate'))
    assert.equal(network.applications[3]!.behindCalls, 0)
  }))

test('a decision by synchronisation and by votes at once is one block', () =>
  withNetwork({}, async network => {
    await network.start()
    network.addWork(1)
    const application = network.applications[3]!
    const commit = application.commit.bind(application)
    // The block arrives by sync just before the engine stores it.
    application.commit = async (header, batches, certificate) => {
      await commit(header, batches, certificate)
      void network.engines[3]!.syncedTo(application.tip())
      return commit(header, batches, certificate)
    }
    assert.ok(await network.until(() => network.heights().every(height => height === 1)))
    assert.equal(application.blocks.length, 1)
    assert.equal(network.engines[3]!.status().height, 2)
    network.addWork(2)
    assert.ok(await network.until(() => network.heights().every(height => height === 2)))
  }))

test('a verdict that arrives after its height is over finds nobody', () =>
  withNetwork({}, async network => {
    const late = network.applications[3]!
    const verdicts: ((valid: boolean) => void)[] = []
    const signals: AbortSignal[] = []
    late.onValidate = (_, signal) => {
      signals.push(signal)
      return new Promise(resolve => verdicts.push(resolve))
    }
    // The node that holds its verdicts back is never waited for: three others are a quorum.
    await network.start(0, 1, 2)
    const engine3 = network.start(3)
    await engine3
    const proposerIsLate = equalBytes(proposerAt(network.set, 1, 0).publicKey, network.keys[3]!.publicKey)
    network.addWork(1)
    for (let i = 0; i < 2000 && !(network.heights()[0] === 1 && (proposerIsLate || signals.length > 0)); i++) {
      for (const j of [0, 1, 2]) await network.engines[j]!.settled()
      await new Promise(resolve => setImmediate(resolve))
      network.clock.advance()
    }
    assert.equal(network.heights()[0], 1)
    assert.ok(signals.length > 0, 'the late node was asked')
    for (const { header, batches, certificate } of network.applications[0]!.blocks) await late.commit(header, batches, certificate)
    await network.engines[3]!.syncedTo(late.tip())
    assert.ok(signals[0]!.aborted, 'the application is told that nobody waits')
    late.onValidate = undefined
    for (const settle of verdicts) settle(false)
    network.addWork(2)
    assert.ok(await network.until(() => network.heights().every(height => height === 2)))
    assert.equal(network.engines[3]!.status().height, 3)
  }))

test('validation that cannot tell is asked again and the node decides in the end', () =>
  withNetwork({}, async network => {
    const application = network.applications[2]!
    let asked = 0
    application.onValidate = () => {
      asked++
      if (asked < 3) return Promise.reject(new Error('a batch is missing'))
      application.onValidate = undefined
      return Promise.resolve(true)
    }
    await network.start()
    network.addWork(1)
    assert.ok(await network.until(() => network.heights().every(height => height === 1)))
  }))

test('a decided block that cannot be stored yet is tried again, and synchronisation may bring it', () =>
  withNetwork({}, async network => {
    const application = network.applications[1]!
    const commit = application.commit.bind(application)
    let failures = 0
    application.commit = (...block) => (++failures <= 3 ? Promise.reject(new Error('a batch is missing')) : commit(...block))
    network.applications[2]!.commit = () => Promise.reject(new Error('a batch is missing'))
    await network.start()
    network.addWork(1)
    assert.ok(await network.until(() => [0, 1, 3].every(i => network.heights()[i] === 1)))
    assert.equal(network.engines[2]!.status().step, 'decided')
    network.applications[2]!.commit = TestApplication.prototype.commit
    assert.ok(await network.until(() => network.heights().every(height => height === 1)))
    network.addWork(2)
    assert.ok(await network.until(() => network.heights().every(height => height === 2)))
  }))

test('an application that breaks its contract stops its own engine for good and nobody else', async () => {
  const network = new TestNetwork({ seed: SEED })
  try {
    await network.start()
    network.applications[1]!.hasWork = () => {
      throw new Error('no')
    }
    network.addWork(1)
    assert.ok(await network.until(() => [0, 2, 3].every(i => network.heights()[i] === 1)), 'the others go on')
    assert.equal(network.failures.length, 1)
    assert.equal(network.engines[1]!.status().notVotingBecause, 'halted')
    assert.equal(network.engines[1]!.status().halted, 'internal')
  } finally {
    await network.close()
  }
})

test('weights count: a heavy validator and one other are a quorum', () =>
  withNetwork({ powers: [5, 1, 1, 1] }, async network => {
    await network.start(0, 1)
    network.addWork(1, 0, 1)
    assert.ok(await network.until(() => network.heights()[0] === 1 && network.heights()[1] === 1))
  }))

test('status says who spoke in the round and what it waits for', () =>
  withNetwork({}, async network => {
    await network.start(0, 1)
    network.addWork(1, 0, 1)
    await network.until(() => false, 10_000)
    const status = network.engines[0]!.status()
    assert.equal(status.height, 1)
    assert.equal(status.votes.map(({ prevote }) => prevote).filter(Boolean).length, 2)
    assert.equal(status.timeouts.proposeMs, 1000 + 250 * status.round)
    assert.ok(status.sinceMs <= network.clock.now())
  }))

test.run()
