/** Following folders over a network: no gap, a node that keeps an event to itself, and going on by the number. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { grantConsent, revokeConsent } from '../../src/client/consents.ts'
import { eventsFrom, type FolderEvent, follow } from '../../src/client/follow.ts'
import { putRecords } from '../../src/client/put.ts'
import { openOwnSession, openSession } from '../../src/client/session.ts'
import { decodeEventData } from '../../src/contracts/events.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { eventsResponseCodec } from '../../src/network/light-messages.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { Cluster, openFolder, permitTo, textRecords } from './cluster.ts'
import { startLyingNode } from './lying-node.ts'

const test = suite('following folders')

async function take(events: AsyncIterable<FolderEvent>, count: number): Promise<FolderEvent[]> {
  const taken: FolderEvent[] = []
  for await (const event of events) if (taken.push(event) === count) break
  return taken
}

const told = (events: readonly FolderEvent[]): (string | number)[][] => events.map(({ number, name }) => [number, name])

test('events come in order, as they happen and from any number on, and what is withheld is found out', async () => {
  await using cluster = await Cluster.start()
  const [author, reader] = [cluster.person(0), cluster.person(1)]
  await cluster.staff(0, [author])
  await cluster.staff(1, [reader])
  const [authorPeer, readerPeer, patient] = [await cluster.peer([0]), await cluster.peer([1]), await cluster.peer([2, 0])]
  const { wallet, owned, address } = await openFolder(authorPeer, author, 'patient')
  const other = await openFolder(authorPeer, author, 'somebody else')
  await putRecords(authorPeer, author, address, textRecords(['one']))

  // From now on: the follower waits, and is told while it happens.
  const folders = [owned.id, other.owned.id]
  const heard = Promise.withResolvers<void>()
  const live = take(follow(patient, folders, { signal: AbortSignal.timeout(60_000), onHeard: () => heard.resolve() }), 4)
  await heard.promise
  const grant = await grantConsent(patient, wallet, owned, { sealingKey: reader.sealing.publicKey, provision: permitTo(reader) })
  const session = await openSession(readerPeer, reader, grant.share)
  await putRecords(authorPeer, author, other.address, textRecords(['two']))
  await revokeConsent(patient, wallet, owned, grant.consent)
  const events = await live
  const of = (folder: Uint8Array): FolderEvent[] => events.filter(event => equalBytes(event.folder, folder))
  assert.equal(told(of(owned.id)), [
    [3, 'consents.granted'],
    [4, 'access.opened'],
    [5, 'consents.revoked'],
  ])
  assert.equal(told(of(other.owned.id)), [[2, 'records.anchored']])
  const opened = decodeEventData('access.opened', of(owned.id)[1]?.data as Uint8Array)
  assert.ok(equalBytes(opened.entry, session.entryId) && equalBytes(opened.organisation ?? new Uint8Array(0), reader.organisation))

  // Later, from a number on: the same again.
  const again = await take(follow(patient, [owned.id], { fromEvent: () => 1 }), 5)
  assert.equal(
    told(again).map(([number]) => number),
    [1, 2, 3, 4, 5],
  )
  assert.equal(told(await eventsFrom(patient, owned.id, 4)), told(again.slice(3)))
  await rejectsCode(eventsFrom(patient, owned.id, 6), 'event-withheld')

  // A node that leaves the look out.
  await using liar = await startLyingNode(cluster.addresses[0] as string)
  liar.tell(async (request, honest) => {
    const answer = await honest(request)
    if (request.type !== 'events') return answer
    return eventsResponseCodec.encode(eventsResponseCodec.decode(answer).filter((_, i) => request.value.from + i !== 4))
  })
  const alone = await cluster.peer([liar.address])
  const seen: FolderEvent[] = []
  await rejectsCode(
    (async () => {
      for await (const event of follow(alone, [owned.id], { fromEvent: () => 1 })) seen.push(event)
    })(),
    'event-withheld',
  )
  assert.ok(seen.every(({ number }) => number < 4))
  const both = await cluster.peer([liar.address, cluster.addresses[3] as string])
  assert.equal(told(await take(follow(both, [owned.id], { fromEvent: () => 1 }), 5)), told(again))
  assert.ok(liar.lies() > 0)

  // The owner's own look is told like any.
  await openOwnSession(patient, wallet, owned)
  assert.equal(told(await take(follow(patient, [owned.id], { fromEvent: () => 6 }), 1)), [[6, 'access.opened']])
  assert.equal(cluster.errors(), [])
})

test.run()
