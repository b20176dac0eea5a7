/** The custodian's side of storage audits: what it answers, and whom. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { AUDIT_PERIOD_MS, challengeSeed, fingerprint, pickedChunk, pickedLeaf } from '../../src/fragments/audit.ts'
import { versionLeafHash } from '../../src/fragments/formats.ts'
import { CHUNK_BYTES } from '../../src/fragments/layout.ts'
import { type AuditAnswer, type AuditChallenge, auditAnswerCodec, auditChallengeCodec } from '../../src/network/audit-messages.ts'
import { ChallengeBlocks, PresentPeriod } from '../../src/node/custodian/audit-period.ts'
import { AuditResponder } from '../../src/node/custodian/audit-responder.ts'
import { property } from '../encoding/seeded.ts'
import { nodeKeys, seedOf } from './cluster.ts'
import { CustodianWorld, type Held } from './custodian-world.ts'

const test = suite('answers to audits')

const CHALLENGER = nodeKeys(1)
const CODE = { n: 4, k: 2 }

interface Served {
  responder: AuditResponder
  ask: (bytes: Uint8Array, peer?: Uint8Array) => Promise<AuditAnswer>
  reports: string[]
  /** What was said to be lost: root and position. */
  found: string[]
}

async function serve(world: CustodianWorld): Promise<Served> {
  const reports: string[] = []
  const found: string[] = []
  const onCorrupt = async (root: Uint8Array, leaf: number): Promise<void> => void found.push(`${toHex(root)} ${leaf}`)
  let handler: ((request: Uint8Array, context: { peer: Uint8Array }) => Promise<Uint8Array>) | undefined
  const { chain, directory, fragments, submissions, logger } = world
  const network = {
    handle: async (_protocol: string, _policy: string, serving: unknown) => {
      handler = serving as typeof handler
    },
    report: (_peer: Uint8Array, offence: string) => void reports.push(offence),
  }
  const responder = new AuditResponder({ chain, directory, network, fragments, submissions, onCorrupt, logger, now: () => world.clock.now })
  await responder.start()
  const ask = async (bytes: Uint8Array, peer = CHALLENGER.network.publicKey): Promise<AuditAnswer> =>
    auditAnswerCodec.decode((await handler?.(bytes, { peer })) as Uint8Array)
  return { responder, ask, reports, found }
}

function challengeOf(world: CustodianWorld, { root }: Held, changes: Partial<AuditChallenge> = {}): Uint8Array {
  return auditChallengeCodec.encode({
    chainId: world.chain.chainId,
    height: 1,
    nonce: 0,
    folder: world.folder,
    submissionRoot: root,
    ...changes,
  })
}

/** What the custodian ought to say, from its own fragments read another way. */
async function expected(world: CustodianWorld, { root, metas }: Held, nonce = 0): Promise<AuditAnswer> {
  const block = (await new ChallengeBlocks(world.chain).at(1)) as Uint8Array
  const seed = challengeSeed({ block, challenger: CHALLENGER.account, submissionRoot: root, nonce })
  const { size, leaf } = metas[pickedLeaf(seed, metas.length)]!
  const fragment = await world.fragments.readAll({ dispersalRoot: leaf.dispersalRoot, index: 1 })
  const chunk = pickedChunk(seed, size, CODE)
  const bytes = fragment.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES)
  return { type: 'held', value: { versions: metas.length, size, fingerprint: fingerprint(seed, leaf.dispersalRoot, bytes) } }
}

const refusal = async (asking: Promise<unknown>): Promise<string> =>
  await asking.then(
    () => 'answered',
    (error: unknown) => String(errorCode(error)),
  )

test('a custodian that has its fragments answers rightly, and the same again', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('records', [300, 5000, 400_000])
  await world.anchor(held)
  const { ask } = await serve(world)
  for (let nonce = 0; nonce < 4; nonce++) {
    const answer = await ask(challengeOf(world, held, { nonce }))
    assert.equal(answer, await expected(world, held, nonce))
    assert.equal(await ask(challengeOf(world, held, { nonce })), answer)
  }
  assert.equal(world.errors, [])
})

test('one that lost its bytes, or has others, says that it has them not', async () => {
  await using world = await CustodianWorld.open()
  const [small, large] = [await world.hold('small', [500]), await world.hold('large', [300_000])]
  await world.anchor(small)
  await world.anchor(large)
  const { ask, found } = await serve(world)
  const lost: AuditAnswer = { type: 'lost', value: {} }
  await world.fragments.delete({ dispersalRoot: small.metas[0]!.leaf.dispersalRoot, index: 1 })
  assert.equal(await ask(challengeOf(world, small)), lost)
  // A flipped byte in every chunk of the file.
  const dir = join(world.dir, 'fragments')
  const path = readdirSync(dir, { recursive: true, withFileTypes: true }).find(file => file.isFile())!
  const file = join(path.parentPath, path.name)
  const bytes = readFileSync(file)
  for (let at = 17; at < bytes.length; at += CHUNK_BYTES) bytes[at]! ^= 1
  writeFileSync(file, bytes)
  assert.equal(await ask(challengeOf(world, large)), lost)
  assert.equal(await ask(challengeOf(world, large, { submissionRoot: seedOf('never seen') })), lost)
  assert.equal(await ask(challengeOf(world, large, { folder: seedOf('another folder') })), lost, 'under another folder')
  assert.equal(found, [`${toHex(small.root)} 0`, `${toHex(large.root)} 0`], 'what is found so is repaired')
})

test('of what the ledger has erased nothing is shown any more', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('records', [300])
  await world.anchor(held)
  await world.erase(held.metas[0]!)
  const { ask } = await serve(world)
  assert.equal(await ask(challengeOf(world, held)), { type: 'erased', value: {} })
  const leafHash = versionLeafHash(held.metas[0]!.leaf)
  await world.submissions.erase(held.root, [{ leaf: 0, leafHash, bytes: 0 }])
  assert.is(await world.submissions.version(held.root, 0), undefined, 'its salt is destroyed')
  assert.equal(await ask(challengeOf(world, held)), { type: 'erased', value: {} })
})

test("a challenge stands on the day's first block alone", async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('records', [300])
  await world.anchor(held)
  const { ask } = await serve(world)
  const at = async (height: number): Promise<string> => await refusal(ask(challengeOf(world, held, { height })))
  const period = new PresentPeriod(world.chain)
  assert.is(await period.height(), 1)
  assert.is(await at(2), 'bad-challenge', 'nobody chooses among blocks')
  await world.passTime(AUDIT_PERIOD_MS)
  const next = world.chain.tip.header.height
  for (let i = 0; i < 5; i++) await world.passTime(1000)
  assert.is(await period.height(), next)
  assert.is(await at(next), 'answered')
  assert.is(await at(next + 1), 'bad-challenge')
  assert.is(await at(1), 'answered', 'of the day before, for who is a little behind')
  await world.passTime(AUDIT_PERIOD_MS)
  assert.is(await at(1), 'bad-challenge')
  assert.is(await at(next), 'answered')
})

test('only members that validate are answered, within their budget', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('records', [300])
  await world.anchor(held)
  const { ask } = await serve(world)
  const challenge = challengeOf(world, held)
  assert.is(await refusal(ask(challenge, seedOf('a stranger'))), 'not-validator')
  assert.is(await refusal(ask(challengeOf(world, held, { chainId: seedOf('another chain') }))), 'wrong-chain')
  const codes = new Map<string, number>()
  for (let i = 0; i < 700; i++) {
    const code = await refusal(ask(challenge))
    codes.set(code, (codes.get(code) ?? 0) + 1)
  }
  assert.equal(
    [...codes],
    [
      ['answered', 600],
      ['busy', 100],
    ],
  )
  assert.is(await refusal(ask(challenge, nodeKeys(0).network.publicKey)), 'answered', 'another has its own')
  world.clock.now += 60_000
  assert.is(await refusal(ask(challenge)), 'answered')
})

test(
  'whatever bytes a member sends, it is answered or refused, and malformed ones are held against it',
  property(async random => {
    await using world = await CustodianWorld.open()
    const held = await world.hold('records', [300])
    await world.anchor(held)
    const { ask, reports } = await serve(world)
    const right = challengeOf(world, held)
    let malformed = 0
    for (let i = 0; i < 200; i++) {
      const bytes = random.below(2) === 0 ? random.bytes(random.below(200)) : right.slice(0, random.below(right.length))
      if (random.below(3) === 0) {
        const flipped = right.slice()
        const at = random.below(flipped.length)
        flipped[at] = (flipped[at] as number) ^ (1 + random.below(255))
        const code = await refusal(ask(flipped))
        assert.ok(['answered', 'wrong-chain', 'bad-challenge', 'malformed'].includes(code), code)
        if (code === 'malformed') malformed++
        continue
      }
      assert.is(await refusal(ask(bytes)), 'malformed')
      malformed++
    }
    assert.is(reports.length, malformed)
    assert.equal(world.errors, [])
  }),
)

test.run()
