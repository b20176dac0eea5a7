/** Situations made by hand in the simulated world, with Ed25519 and the real engine, log and guard. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { EngineStatus } from '../../src/consensus/application.ts'
import { type ConsensusMessage, consensusMessageCodec, type Vote } from '../../src/consensus/messages.ts'
import { proposerAt } from '../../src/consensus/proposer.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { headerHash } from '../../src/ledger/header.ts'
import type { SimulatedBlock } from '../../testnet/simulator/application.ts'
import type { SimulatedNode } from '../../testnet/simulator/node.ts'
import type { Plan } from '../../testnet/simulator/plan.ts'
import { World } from '../../testnet/simulator/simulate.ts'
import { trace } from '../../testnet/simulator/trace.ts'

const test = suite('named schedules')

/** Four honest validators in one place, and nothing goes wrong by itself. */
const CALM: Plan = {
  seed: 1,
  powers: [1, 1, 1, 1],
  cities: null,
  timeouts: { proposeMs: 800, voteMs: 400, growthMs: 100 },
  heartbeatMs: 3_600_000,
  syncMs: 2,
  skewMs: [0, 0, 0, 0],
  byzantine: [],
  goodAtMs: 0,
  faults: [],
  work: [],
  beyond: false,
  realSignatures: true,
}

function worldOf(changes: Partial<Plan> = {}): World {
  return new World({ ...CALM, ...changes })
}

/** Index of the validator whose turn it is in a round of height 1. */
function proposer(world: World, round: number): number {
  const { publicKey } = proposerAt(world.genesis.validators.next, 1, round)
  return world.nodes.findIndex(node => equalBytes(node.options.key.publicKey, publicKey))
}

const everywhere = (world: World, height: number) => (): boolean => world.nodes.every(node => node.height >= height)

function holds(world: World, done: boolean): void {
  assert.equal(world.observer.violations, [])
  assert.ok(done, `heights ${world.nodes.map(node => node.height).join(' ')}`)
}

test('a value is proposed again by another proposer, and its header does not change by a byte', async () => {
  const world = worldOf()
  const [p0, p1] = [proposer(world, 0), proposer(world, 1)]
  const [a, b] = [0, 1, 2, 3].filter(index => index !== p0 && index !== p1) as [number, number]
  const proposals: { round: number; validRound: number | null; hash: string }[] = []
  let prevote: Uint8Array | undefined
  world.observer.onSent = (speaker, message) => {
    if (message.type === 'proposal' && equalBytes(message.value.validator, keyOf(world, speaker.key))) {
      const { round, validRound, header } = message.value
      if (!proposals.some(known => known.round === round)) proposals.push({ round, validRound, hash: toHex(headerHash(header)) })
    }
    if (message.type === 'vote' && message.value.kind === 'prevote' && speaker.key === world.nodes[p0]?.key) {
      prevote ??= consensusMessageCodec.encode(message)
    }
  }
  // b never hears the proposal of round 0 and prevotes nil; p1 lacks one prevote for the polka, and so does a: both precommit nil. Only
  // p0 locks.
  world.loses = (from, to, message) => {
    if (message.type === 'proposal' && message.value.round === 0) return to === b
    const votes = message.type === 'vote' ? [message.value] : message.type === 'votes' ? message.value : []
    const isEarly = votes.some(({ kind, round }) => kind === 'prevote' && round === 0)
    return isEarly && from === p0 && (to === p1 || to === a)
  }
  await world.start()
  world.offer(p0, null)
  assert.ok(await world.pass(() => world.nodes[p1]?.status()?.step === 'precommit', 5_000))
  assert.equal([world.nodes[p1]?.status()?.validRound, world.nodes[p0]?.status()?.lockedRound], [-1, 0])
  // The polka reaches p1 when it has precommitted nil already: too late for a lock, and not for a valid value.
  world.nodes[p1]?.receive(prevote as Uint8Array, world.nodes[p0]?.options.key.publicKey as Uint8Array)
  holds(world, await world.pass(everywhere(world, 1), 10_000))
  const { header, hash, certificate } = tipOf(world, 0)
  assert.is(certificate?.round, 1)
  assert.equal(header.proposer, world.nodes[p0]?.options.key.publicKey)
  assert.equal(proposals.slice(0, 2), [
    { round: 0, validRound: null, hash: toHex(hash) },
    { round: 1, validRound: 0, hash: toHex(hash) },
  ])
})

test('a proposal that names a withheld batch is not voted for; the chain goes on without it, and takes it when it comes', async () => {
  const world = worldOf()
  const p0 = proposer(world, 0)
  await world.start()
  const withheld = world.offer(p0, null, { withheld: true })
  const other = world.offer((p0 + 1) % 4, null)
  assert.ok(await world.pass(everywhere(world, 1), 20_000))
  const first = tipOf(world, p0)
  assert.is(first.certificate?.round, 1, 'round 0 named what nobody else has')
  assert.equal(first.batches.map(toHex), [toHex(other)])
  world.withheld.clear()
  for (const node of world.nodes) node.hold(withheld)
  holds(world, await world.pass(everywhere(world, 2), 20_000))
  assert.equal(tipOf(world, 0).batches.map(toHex), [toHex(withheld)])
})

test('the log is replayed with the verdicts on time that it holds, not with those of the clock after the restart', async () => {
  const world = worldOf()
  const p0 = proposer(world, 0)
  const late = world.nodes[(p0 + 1) % 4] as SimulatedNode
  // Its clock is behind by more than the precision: what is proposed looks as if it came from the future.
  late.options.skewMs = -5_000
  // Precommits are lost until the restart is over, so that the height stays open.
  world.loses = (_from, _to, message) => message.type === 'certificate' || votesOf(message).some(({ kind }) => kind === 'precommit')
  const said: string[] = []
  world.observer.onSent = (_speaker, message) => {
    for (const { kind, round, validator, block } of votesOf(message)) {
      if (kind === 'prevote' && round === 0 && toHex(validator) === late.key) said.push(block === null ? 'nil' : 'the block')
    }
  }
  await world.start()
  world.offer(p0, null)
  assert.ok(await world.pass(() => late.status()?.step === 'precommit', 5_000))
  assert.ok(late.events.includes('consensus.proposal-untimely'))
  // Let what it signed reach its disk.
  await world.pass(() => false, 50)
  const { round, lockedRound, validRound } = late.status() as EngineStatus
  late.crash()
  late.options.skewMs = 0
  world.restart(late)
  await world.pass(() => late.status() !== undefined, 0)
  const replayed = late.status() as EngineStatus
  assert.equal([replayed.round, replayed.step, replayed.lockedRound, replayed.validRound], [round, 'precommit', lockedRound, validRound])
  world.loses = null
  holds(world, await world.pass(everywhere(world, 1), 20_000))
  assert.equal([...new Set(said)], ['nil'])
})

test('a change of validators comes into force on an idle chain by itself, and then the chain is idle again', async () => {
  const world = worldOf()
  await world.start()
  world.offer(0, { node: 2, power: 3 })
  holds(world, await world.pass(everywhere(world, 3), 20_000))
  const { validators, header } = tipOf(world, 0)
  assert.is(validators.current.since, 3, 'decided at 1, in force at 3')
  assert.equal(validators.current, validators.next)
  assert.is(validators.current.validators.find(({ publicKey }) => toHex(publicKey) === world.nodes[2]?.key)?.power, 3)
  assert.not(await world.pass(() => world.nodes.some(node => node.height > header.height), 600_000), 'nothing more to do')
  assert.equal(world.observer.violations, [])
})

test('a validator that is voted out on an idle chain stops without harm, and follows', async () => {
  const world = worldOf({ powers: [1, 1, 1, 1, 1] })
  await world.start()
  world.offer(0, { node: 4, power: 0 })
  holds(world, await world.pass(everywhere(world, 3), 20_000))
  world.offer(1, null)
  holds(world, await world.pass(everywhere(world, 4), 20_000))
  assert.is(world.nodes[4]?.status()?.notVotingBecause, 'not-a-validator')
})

test('the power goes everywhere after the polka: the value that is locked is still there, bodies and all', async () => {
  const world = worldOf()
  world.loses = (_from, _to, message) => message.type === 'certificate' || votesOf(message).some(({ kind }) => kind === 'precommit')
  await world.start()
  const batch = world.offer(proposer(world, 0), null)
  assert.ok(await world.pass(() => world.nodes.every(node => node.status()?.lockedRound === 0), 5_000))
  // Let the precommits reach the disks.
  await world.pass(() => false, 50)
  for (const node of world.nodes) node.crash()
  assert.ok(
    world.nodes.every(node => node.ledger === null),
    'memory is gone',
  )
  world.loses = null
  for (const node of world.nodes) world.restart(node)
  holds(world, await world.pass(everywhere(world, 1), 20_000))
  assert.equal(tipOf(world, 0).batches.map(toHex), [toHex(batch)])
})

test('the same seed gives the same run, message by message', async () => {
  const told = async (): Promise<string[]> => {
    const lines: string[] = []
    await trace(41, {}, line => lines.push(line))
    return lines
  }
  const first = await told()
  assert.ok(first.length > 50)
  assert.equal(await told(), first)
})

function tipOf(world: World, index: number): SimulatedBlock {
  return (world.nodes[index] as SimulatedNode).store.tip
}

function votesOf(message: ConsensusMessage): readonly Vote[] {
  return message.type === 'vote' ? [message.value] : message.type === 'votes' ? message.value : []
}

function keyOf(world: World, key: string): Uint8Array {
  return (world.nodes.find(node => node.key === key) as SimulatedNode).options.key.publicKey
}

test.run()
