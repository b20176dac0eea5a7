/** More that is to be repaired than is kept in mind at a time. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compareBytes, equalBytes } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import type { Network } from '../../src/network/network.ts'
import { Damages } from '../../src/node/custodian/damages.ts'
import { Holdings, indexOf } from '../../src/node/custodian/holdings.ts'
import { Pace } from '../../src/node/custodian/pace.ts'
import { RepairService } from '../../src/node/custodian/repair-service.ts'
import { RepairStrays } from '../../src/node/custodian/repair-strays.ts'
import { eventually } from './cluster.ts'
import { CUSTODIAN, CustodianWorld, type Held, INDEX, ROOMY } from './custodian-world.ts'

const test = suite('repairs in mind')

test('what is beyond the repairs in mind is neither said to be here nor forgotten', async () => {
  await using world = await CustodianWorld.open()
  const damages = new Damages(world.custody.sublevel('damages'))
  await damages.start()
  const { chain, directory, fragments, submissions, logger } = world
  const now = (): number => world.clock.now
  const holdings = new Holdings({ ...world, damages, now })
  const held: (Held & { name: string })[] = []
  for (let i = 0; held.length < 3; i++) {
    const one = await world.hold(`s ${i}`, [200])
    await world.anchor(one)
    await submissions.markAnchored(one.root)
    const placed = holdings.placed(world.folder, one.root)
    // The others are not held under the index that the ledger gives.
    if (placed !== undefined && indexOf(placed, CUSTODIAN.account) === INDEX) held.push({ ...one, name: `s ${i}` })
  }
  held.sort((a, b) => compareBytes(a.root, b.root))
  for (const { root } of held) await fragments.dropSubmission(root)
  const nobody = async (): Promise<never> => {
    throw new EpioneError('connection-lost', 'Nobody is there.')
  }
  const network = { openStream: nobody, report: () => undefined } as unknown as Network
  let looks = 0
  const all = holdings.all.bind(holdings)
  holdings.all = () => {
    looks++
    return all()
  }
  const service = new RepairService(
    { custodian: CUSTODIAN.account, accountKey: CUSTODIAN.signing, maxJobs: 2 },
    {
      ...{ chain, directory, network, fragments, submissions, holdings, damages, logger, now },
      transactions: { submit: nobody },
      announcer: { announce: () => undefined, withdraw: async () => undefined },
      erasures: { recheck: () => undefined },
      strays: new RepairStrays(world.custody.sublevel('repairs'), world),
      disk: ROOMY,
      pace: new Pace(2 ** 40),
    },
  )
  service.start()
  try {
    await eventually(() => service.report().missing === 2, 'two are in mind')
    await eventually(() => looks === 1, 'all was looked through')
    assert.is(service.report().looked, false)
    for (const { root } of held) assert.is(await service.isWhole(root), false)
    // Those in mind come back by themselves, and need no repair: then the third is found, long before the next look is due.
    const inMind = held.slice(0, 2)
    for (const { root, name } of inMind) {
      await world.hold(name, [200])
      await submissions.markAnchored(root)
    }
    const placed = holdings.placed.bind(holdings)
    holdings.placed = (folder, root, tip) => (inMind.some(one => equalBytes(one.root, root)) ? undefined : placed(folder, root, tip))
    world.clock.now += 2_000
    await eventually(() => looks > 1 && service.report().looked, 'all was looked through once more')
    assert.is(service.report().missing, 1)
    assert.equal(await Promise.all(held.map(async ({ root }) => await service.isWhole(root))), [true, true, false])
  } finally {
    await service.stop()
  }
  assert.equal(world.errors, [])
})

test.run()
