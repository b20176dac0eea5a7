/** Break-glass after custodians have left: their shares, and what opens the past, are with those who came in their place. */
import { mock } from 'node:test'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openEmergency } from '../../src/client/emergency.ts'
import { depositShares, depositStatus, shareHolders } from '../../src/client/emergency-deposit.ts'
import { advanceFolder } from '../../src/client/epochs.ts'
import { listVersions, readVersions } from '../../src/client/get.ts'
import { putRecords } from '../../src/client/put.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { PROTOCOL } from '../../src/network/protocols.ts'
import { Cluster, eventually, nodeKeys, openFolder, textRecords } from './cluster.ts'
import { bytesOf, EAGER } from './repair-world.ts'
import { endCustody } from './voting.ts'

const test = suite('break-glass after custodians left')
const ALL = [0, 1, 2, 3, 4, 5]

test('shares of custodians that leave are with others at once, and these alone open the folder with its past', async () => {
  await using cluster = await Cluster.start({ founders: 6, node: EAGER })
  const author = cluster.person(0)
  const clinician = cluster.person(0, 'emergency-physician')
  await cluster.staff(0, [author, clinician])
  const peer = await cluster.peer([0, 1])
  const folder = await openFolder(peer, author, 'patient', 'emergency-summary')
  await putRecords(peer, author, folder.address, textRecords(['an allergy of before']))
  await advanceFolder(peer, folder.wallet, folder.owned)
  await putRecords(peer, author, folder.address, textRecords(['a blood group of today']))
  const { stored } = await depositShares(peer, folder.wallet, folder.owned)
  assert.is(stored, 4)

  const before = await depositStatus(peer, folder.wallet, folder.owned)
  assert.ok(before.places.every(({ state }) => state === 'held'))
  const deposit = before.deposit as NonNullable<typeof before.deposit>
  const numberOf = (id: Uint8Array): number => ALL.find(index => equalBytes(nodeKeys(index).account, id)) as number
  const holders = before.places.map(({ custodian }) => numberOf(custodian?.id as Uint8Array))
  const [first, second] = holders as [number, number]
  for (const leaver of [first, second]) await endCustody(cluster, leaver, ALL)
  await eventually(async () => {
    const { places } = await depositStatus(peer, folder.wallet, folder.owned)
    return places.every(({ state }) => state === 'held')
  }, 'every place has its share again')
  const today = (await shareHolders(peer, folder.address.id, deposit)).map(member => numberOf(member?.id as Uint8Array))
  assert.equal([today[2], today[3]], [holders[2], holders[3]], 'who stays keeps its share')
  assert.not(today.includes(first) || today.includes(second))

  // Those who came in their place are enough: nobody else is asked for a share.
  const newcomers = today.slice(0, 2).map(index => toHex(nodeKeys(index).network.publicKey))
  const reader = await cluster.peer([0, 1])
  const request = reader.nodes.request.bind(reader.nodes)
  const only = mock.method(reader.nodes, 'request', async (...args: Parameters<typeof request>) => {
    if (args[1] === PROTOCOL.folder && !newcomers.includes(toHex(args[0]))) throw new EpioneError('timeout', 'out of reach in this test')
    return await request(...args)
  })
  const session = await openEmergency(reader, clinician, folder.address.id, { reason: 'unconscious' })
  only.mock.restore()
  assert.equal(session.custodians.map(({ id }) => numberOf(id)).sort(), today.slice(0, 2).sort())
  const { versions } = await listVersions(reader, session)
  const texts: string[] = []
  for await (const { content } of readVersions(reader, session, versions)) texts.push(new TextDecoder().decode(await bytesOf(content)))
  assert.equal(texts.sort(), ['a blood group of today', 'an allergy of before'])
  assert.equal(cluster.errors(), [])
})

test.run()
