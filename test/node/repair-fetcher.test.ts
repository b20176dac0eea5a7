/** One repair beside what goes on meanwhile: erasures that come while it is on its way. Its helpers are played. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { concat, equalBytes, u32 } from '../../src/encoding/bytes.ts'
import { Damages } from '../../src/node/custodian/damages.ts'
import { Holdings, type Placed } from '../../src/node/custodian/holdings.ts'
import { Pace } from '../../src/node/custodian/pace.ts'
import { RepairFetcher } from '../../src/node/custodian/repair-fetcher.ts'
import type { Ordered } from '../../src/node/custodian/repair-plan.ts'
import { RepairStrays } from '../../src/node/custodian/repair-strays.ts'
import type { Submission } from '../../src/node/custodian/submissions.ts'
import { nodeKeys } from './cluster.ts'
import { CUSTODIAN, CustodianWorld, type Held, HOUR, INDEX } from './custodian-world.ts'
import { type Answer, metas, part, playedNetwork } from './played-helpers.ts'

const test = suite('one repair')

/** Room that never ends. */
const ROOM = { atLeast: () => undefined, give: () => undefined }

/** A repair whose helpers answer so; each question goes to the next of them. */
async function fetcherOf(world: CustodianWorld, answer: Answer, fragments = world.fragments) {
  const damages = new Damages(world.custody.sublevel('damages'))
  await damages.start()
  const now = (): number => world.clock.now
  const holdings = new Holdings({ ...world, damages, now })
  const erasures = world.erasures()
  await erasures.start()
  const { chain, directory, submissions } = world
  const strays = new RepairStrays(world.custody.sublevel('repairs'), world)
  const fetcher = new RepairFetcher(
    { custodian: CUSTODIAN.account, signal: new AbortController().signal },
    {
      ...{ chain, directory, fragments, submissions, holdings, damages, erasures, strays, now },
      network: playedNetwork(answer),
      survey: { ask: async (id, ask) => await ask(id, new AbortController().signal) },
      pace: new Pace(2 ** 40),
    },
  )
  return { fetcher, erasures, holdings, strays }
}

function orderFor(world: CustodianWorld, holdings: Holdings, { root }: Held): Ordered {
  const found = holdings.placed(world.folder, root) as Placed
  // Held here under this index in tests, wherever the ledger places it.
  const holders = found.holders.filter(id => id === undefined || !equalBytes(id, CUSTODIAN.account))
  holders.splice(INDEX, 0, CUSTODIAN.account)
  const placed = { ...found, holders }
  const helpers = [0, 1].map(i => ({ id: nodeKeys(i).account, index: i === 0 ? 0 : 2 }))
  const job = { folder: world.folder, root, failures: 0, wrongSums: 0, failedAttempt: 0, notBefore: 0 }
  return { job, placed, index: INDEX, k: 2, there: helpers, helpers, attempt: 1 }
}

const keyOf = ({ metas }: Held, leaf: number) => ({ dispersalRoot: metas[leaf]?.leaf.dispersalRoot as Uint8Array, index: INDEX })

test('what is erased while a repair holds it in its batch does not come back', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [100, 200, 300])
  await world.anchor(held)
  await world.submissions.markAnchored(held.root)
  await world.fragments.dropSubmission(held.root)
  let meanwhile = async (): Promise<void> => undefined
  const { fetcher, erasures, holdings } = await fetcherOf(world, async function* (request, helper) {
    assert.is(request.type, 'sums')
    for (const leaf of request.type === 'sums' ? request.value.leaves : []) {
      if (leaf === 2 && helper === 0) await meanwhile()
      yield* part(held, leaf, helper)
    }
  })
  meanwhile = async () => {
    await world.erase(held.metas[0] as Held['metas'][number])
    await erasures.settled()
    assert.ok(await world.submissions.isErased(held.root, 0), 'it is erased while the repair has it')
  }
  await fetcher.fetch(orderFor(world, holdings, held), ROOM)
  await erasures.settled()
  assert.equal(
    [0, 1, 2].map(leaf => world.fragments.has(keyOf(held, leaf))),
    [false, true, true],
  )
  assert.is((await world.fragments.fragmentsOf(held.root)).length, 2)
  await erasures.stop()
  assert.equal(world.errors, [])
})

test('what is erased while a repair has it goes at the next start, where the node stopped before the repair could drop it', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [100, 200])
  await world.anchor(held)
  await world.submissions.markAnchored(held.root)
  await world.fragments.dropSubmission(held.root)
  let meanwhile = async (): Promise<void> => undefined
  let isStopped = false
  const stopping = new Proxy(world.fragments, {
    get: (target, name) => {
      if (name === 'dropFragment' && isStopped) throw new Error('the node stopped')
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const answer: Answer = async function* (request, helper) {
    for (const leaf of request.type === 'sums' ? request.value.leaves : []) {
      if (leaf === 1 && helper === 0) await meanwhile()
      yield* part(held, leaf, helper)
    }
  }
  const { fetcher, erasures, holdings, strays } = await fetcherOf(world, answer, stopping)
  meanwhile = async () => {
    await world.erase(held.metas[0] as Held['metas'][number])
    await erasures.settled()
    isStopped = true
  }
  const error = await fetcher.fetch(orderFor(world, holdings, held), ROOM).catch((error: unknown) => error)
  assert.is((error as Error).message, 'the node stopped')
  await erasures.settled()
  await erasures.stop()
  const here = (): boolean[] => [0, 1].map(leaf => world.fragments.has(keyOf(held, leaf)))
  assert.equal(here(), [true, true], 'it came back')
  // An erasure that is through looks at nothing again.
  const later = world.erasures()
  await later.start()
  await later.settled()
  await later.stop()
  assert.equal(here(), [true, true])
  await strays.start()
  assert.equal(here(), [false, true])
  // A whole submission is left as it is, and nothing is noted any more.
  await world.hold('a', [100, 200])
  await strays.start()
  assert.equal(here(), [true, true])
})

test('versions that the keyring does not open come again from others; an erased one stays erased', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [100, 200, 300])
  await world.anchor(held)
  await world.submissions.markAnchored(held.root)
  await world.fragments.markAnchored(held.root)
  await world.erase(held.metas[0] as Held['metas'][number])
  const { fetcher, erasures, holdings } = await fetcherOf(world, async function* (request) {
    assert.is(request.type, 'metas', 'the fragments are here')
    // Neither of them has carried out the erasure.
    yield* metas(held)
  })
  await erasures.settled()
  assert.ok(await world.submissions.isErased(held.root, 0))
  // A value in the place of another is what no key opens.
  const store = world.custody.sublevel('submissions')
  const place = (leaf: number): Uint8Array => concat(Uint8Array.of(2), held.root, u32(leaf))
  await store.batch([{ type: 'put', key: place(1), value: (await store.get(place(2))) as Uint8Array }])
  const lacking = async (): Promise<number[]> => await holdings.lacking(held.root, (await world.submissions.get(held.root)) as Submission)
  assert.equal(await lacking(), [1])
  await fetcher.fetch(orderFor(world, holdings, held), ROOM)
  await erasures.settled()
  assert.equal(await lacking(), [])
  assert.equal((await world.submissions.version(held.root, 1))?.meta, held.metas[1])
  assert.equal((await world.submissions.version(held.root, 2))?.meta, held.metas[2])
  assert.ok(await world.submissions.isErased(held.root, 0))
  await erasures.stop()
  assert.equal(world.errors, [])
})

test('fragments of an upload that broke before it was noted are kept once others have told what they are', async () => {
  await using world = await CustodianWorld.open()
  const held = await world.hold('a', [100, 200])
  await world.anchor(held)
  await world.submissions.delete(held.root)
  const { fetcher, erasures, holdings } = await fetcherOf(world, async function* () {
    yield* metas(held)
  })
  await fetcher.fetch(orderFor(world, holdings, held), ROOM)
  await world.fragments.dropExpired(world.clock.now + 2 * HOUR)
  assert.equal(
    [0, 1].map(leaf => world.fragments.has(keyOf(held, leaf))),
    [true, true],
  )
  await erasures.stop()
})

test.run()
