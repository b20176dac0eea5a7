/** What others are to hold now goes, however much of what waits for them stands before it. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compareBytes, toHex } from '../../src/encoding/bytes.ts'
import { Damages } from '../../src/node/custodian/damages.ts'
import { Holdings } from '../../src/node/custodian/holdings.ts'
import { Leftovers } from '../../src/node/custodian/leftovers.ts'
import { nodeKeys, seedOf } from './cluster.ts'
import { CustodianWorld, type Held } from './custodian-world.ts'

const test = suite('leftovers')

/** A custodian that is to hold nothing. */
const FORMER = seedOf('a former custodian')

test('all is gone through in turns, and what waits comes up again', async () => {
  await using world = await CustodianWorld.open()
  const { fragments, submissions, logger } = world
  const now = (): number => world.clock.now
  const holdings = new Holdings({ ...world, damages: new Damages(world.custody.sublevel('damages')), now })
  const held: Held[] = []
  for (let i = 0; i < 7; i++) {
    const one = await world.hold(`s ${i}`, [100])
    await world.anchor(one)
    await submissions.markAnchored(one.root)
    held.push(one)
  }
  held.sort((a, b) => compareBytes(a.root, b.root))
  // Of the first three, nobody has anything yet.
  const waiting = new Set(held.slice(0, 3).map(({ root }) => toHex(root)))
  const asked: number[] = []
  const leftovers = new Leftovers(
    { custodian: FORMER, atOnce: 2 },
    {
      ...{ fragments, submissions, holdings, logger, now },
      announcer: { withdraw: async () => undefined },
      survey: {
        inventory: async all => {
          asked.push(all.length)
          const holders = [0, 1, 2, 3].map(i => nodeKeys(i).account)
          return new Map(
            all.map(({ root, entitled }) => {
              const there = holders.flatMap(id => ({ id, index: entitled.get(toHex(id)) as number }))
              return [toHex(root), waiting.has(toHex(root)) ? [] : there]
            }),
          )
        },
      },
    },
  )
  const turn = async (): Promise<void> => {
    while (leftovers.dueAt <= now()) await leftovers.look()
  }
  const here = async (): Promise<boolean[]> => await Promise.all(held.map(async ({ root }) => (await submissions.get(root)) !== undefined))
  await turn()
  assert.equal(asked, [], 'nobody asked for a look')
  leftovers.lookSoon()
  await turn()
  assert.equal(asked, [2, 2, 2, 1])
  assert.equal(await here(), [true, true, true, false, false, false, false])
  assert.is(fragments.usage().fragments, 3)
  waiting.clear()
  await turn()
  assert.is(asked.length, 4, 'others get time to repair')
  world.clock.now = leftovers.dueAt
  await turn()
  assert.equal(await here(), Array(7).fill(false))
  assert.is(leftovers.dueAt, Number.POSITIVE_INFINITY)
})

test.run()
