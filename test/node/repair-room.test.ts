/** Repairs on a node that cannot store: it orders nothing for what it has no room for, and an order that could not be stored serves again. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EpioneError } from '../../src/encoding/errors.ts'
import { decodeTransaction } from '../../src/ledger/transaction.ts'
import { Damages } from '../../src/node/custodian/damages.ts'
import { Holdings, indexOf } from '../../src/node/custodian/holdings.ts'
import { Pace } from '../../src/node/custodian/pace.ts'
import { type RepairDependencies, RepairService } from '../../src/node/custodian/repair-service.ts'
import { RepairStrays } from '../../src/node/custodian/repair-strays.ts'
import { eventually } from './cluster.ts'
import { CUSTODIAN, CustodianWorld, type Held, INDEX, ROOMY } from './custodian-world.ts'
import { nextBlock } from './ledger-fixture.ts'
import { part, playedNetwork } from './played-helpers.ts'

const test = suite('room for repairs')

interface Setting extends AsyncDisposable {
  world: CustodianWorld
  held: Held
  service: RepairService
  /** Orders that reached the ledger, and the attempts of which sums were asked for. */
  orders: number
  attempts: number[]
  questions: number
  /** Helpers fail while it is set. */
  isHelpless: boolean
}

/** A node that lost the one submission that it is to hold, and whose helpers are there. */
async function setting(changes: (world: CustodianWorld) => Partial<RepairDependencies>): Promise<Setting> {
  const world = await CustodianWorld.open()
  const { chain, directory, fragments, submissions, logger } = world
  const damages = new Damages(world.custody.sublevel('damages'))
  await damages.start()
  const now = (): number => world.clock.now
  const holdings = new Holdings({ ...world, damages, now })
  let held: Held | undefined
  for (let i = 0; held === undefined; i++) {
    const one = await world.hold(`s ${i}`, [200, 70_000])
    await world.anchor(one)
    await submissions.markAnchored(one.root)
    await fragments.dropSubmission(one.root)
    const placed = holdings.placed(world.folder, one.root)
    // It is held under this index in tests, wherever the ledger places it.
    if (placed !== undefined && indexOf(placed, CUSTODIAN.account) === INDEX) held = one
    else await submissions.delete(one.root)
  }
  const lost = held
  const all = holdings.all.bind(holdings)
  holdings.all = function* () {
    for (const placed of all()) if (placed.root.every((byte, i) => byte === lost.root[i])) yield placed
  }
  const network = playedNetwork(async function* (request, nth) {
    if (request.type === 'inventory') {
      self.questions++
      yield { type: 'held', value: request.value.roots.map(() => true) }
    } else if (request.type === 'sums') {
      if (nth % 2 === 0) self.attempts.push(request.value.attempt)
      if (self.isHelpless) throw new Error('a helper failed')
      for (const leaf of request.value.leaves) yield* part(lost, leaf, nth % 2)
    }
  })
  const service = new RepairService(
    { custodian: CUSTODIAN.account, accountKey: CUSTODIAN.signing },
    {
      ...{ chain, directory, network, fragments, submissions, holdings, damages, logger, now },
      transactions: {
        submit: async bytes => {
          const transaction = decodeTransaction(bytes)
          await chain.accept(nextBlock(chain, [transaction]))
          self.orders++
          return transaction.id
        },
      },
      announcer: { announce: () => undefined, withdraw: async () => undefined },
      erasures: { recheck: () => undefined },
      strays: new RepairStrays(world.custody.sublevel('repairs'), world),
      disk: ROOMY,
      pace: new Pace(2 ** 40),
      ...changes(world),
    },
  )
  const self: Setting = {
    ...{ world, held: lost, service, orders: 0, attempts: [], questions: 0, isHelpless: false },
    [Symbol.asyncDispose]: async () => {
      await service.stop()
      await world[Symbol.asyncDispose]()
    },
  }
  service.start()
  return self
}

/** Waits while the node's clock goes on; no further than its ledger counts as fresh. */
async function passing(world: CustodianWorld, check: () => boolean, what: string): Promise<void> {
  const end = world.clock.now + 60_000
  await eventually(() => {
    world.clock.now = Math.min(end, world.clock.now + 50)
    return check()
  }, what)
}

/** Everything is here again, and it took so many orders. */
async function isRepaired(here: Setting, orders: number): Promise<void> {
  const { world, held, service } = here
  await passing(world, () => service.report().repaired === 1, 'it is repaired')
  assert.is(here.orders, orders)
  assert.equal(
    held.metas.map(({ leaf }) => world.fragments.has({ dispersalRoot: leaf.dispersalRoot, index: INDEX })),
    [true, true],
  )
  assert.equal(world.errors, [])
}

test('while the disk takes nothing, nobody is asked and nothing is ordered', async () => {
  let refused = 0
  let isReadOnly = true
  const reserve = () => {
    if (isReadOnly) refused++
    if (isReadOnly) throw new EpioneError('read-only', 'The disk is nearly full.')
    return () => undefined
  }
  await using here = await setting(() => ({ disk: { reserve } }))
  await passing(here.world, () => here.service.report().missing === 1 && refused >= 2, 'it is missing, and there is no room')
  assert.equal([here.orders, here.questions], [0, 0])
  isReadOnly = false
  await isRepaired(here, 1)
})

test('what the disk has no room for is not ordered until it has', async () => {
  let refused = 0
  let free = 1_000
  const reserve = (bytes: number) => {
    if (bytes > free) refused++
    if (bytes > free) throw new EpioneError('disk-full', 'There is no room for this.')
    return () => undefined
  }
  await using here = await setting(() => ({ disk: { reserve } }))
  await passing(here.world, () => refused >= 2, 'it was refused room again')
  assert.equal([here.orders, here.attempts], [0, []])
  free = 2 ** 30
  await isRepaired(here, 1)
})

test('what the quota has no room for is not ordered until it has', async () => {
  let refused = 0
  let free = 1_000
  const hasRoom = (bytes: number): boolean => {
    if (bytes > free) refused++
    return bytes <= free
  }
  await using here = await setting(({ fragments }) => ({ fragments: Object.assign(fragments, { hasRoom }) }))
  await passing(here.world, () => refused >= 2, 'it was refused room again')
  assert.is(here.orders, 0)
  free = 2 ** 30
  await isRepaired(here, 1)
})

test('an order that could not be stored serves again once it can', async () => {
  const codes = ['disk-full', 'storage-failed', 'busy']
  await using here = await setting(({ fragments }) => {
    const commit = fragments.commitSubmission.bind(fragments)
    const commitSubmission: typeof commit = async (items, staging) => {
      const code = codes.shift()
      if (code === undefined) return await commit(items, staging)
      for (const { writer } of items) await writer.abort()
      throw new EpioneError(code, 'It could not be stored.')
    }
    return { fragments: Object.assign(fragments, { commitSubmission }) }
  })
  await isRepaired(here, 1)
  assert.equal(here.attempts, [1, 1, 1, 1])
})

test('room that came to no repair is given back as if nothing was written', async () => {
  const written: (number | undefined)[] = []
  const submit = async (): Promise<never> => {
    throw new EpioneError('busy', 'The ledger takes nothing.')
  }
  const reserve = (bytes: number) => (used?: number) => void (bytes > 0 && written.push(used))
  await using here = await setting(() => ({ disk: { reserve }, transactions: { submit } }))
  await passing(here.world, () => written.length >= 2, 'it was tried again')
  assert.ok(written.every(bytes => bytes === 0))
  assert.equal(here.attempts, [])
})

test('after helpers that failed others are ordered', async () => {
  await using here = await setting(() => ({}))
  here.isHelpless = true
  await passing(here.world, () => here.attempts.length === 2, 'it was tried again')
  here.isHelpless = false
  await isRepaired(here, 3)
  assert.equal(here.attempts, [1, 2, 3])
})

test.run()
