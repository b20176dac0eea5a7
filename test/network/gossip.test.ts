import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../../src/encoding/bytes.ts'
import { MAX_GOSSIP_BYTES, messageId } from '../../src/network/gossip.ts'
import type { Network } from '../../src/network/network.ts'
import { addressOf, failure, memberOf, mesh, Testbed, until } from './helpers.ts'

const test = suite('gossip')
const bed = new Testbed()
test.after.each(() => bed.stop())

interface Heard {
  text: string
  from: string
}

function listen(network: Network, topic: 'blocks' | 'announcements', reject: string[] = []): Heard[] {
  const heard: Heard[] = []
  network.subscribe(topic, (bytes, peer) => {
    const text = Buffer.from(bytes).toString()
    heard.push({ text, from: toHex(peer) })
    return reject.includes(text) ? 'reject' : 'accept'
  })
  return heard
}

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text))
}

/** Publishes numbered probes until everybody heard one: then the subscriptions are known everywhere. */
async function warm(publisher: Network, topic: 'blocks' | 'announcements', heard: Heard[][]): Promise<void> {
  const name = `probe ${toHex(publisher.networkKey)}`
  let probe = 0
  let last = 0
  await until(() => {
    if (Date.now() - last > 50) {
      last = Date.now()
      publisher.publish(topic, bytes(`${name} ${probe++}`)).catch(() => undefined)
    }
    return heard.every(each => each.some(({ text }) => text.startsWith(name)))
  }, 'subscriptions are known')
}

test('a block reaches all of four nodes, once', async () => {
  const networks = await Promise.all([1, 2, 3, 4].map(i => bed.full(i)))
  const heard = networks.map(network => listen(network, 'blocks'))
  await Promise.all(networks.map(network => network.start()))
  await mesh(networks)
  const [first, ...others] = networks
  assert.ok(first)
  if (first === undefined) return
  await warm(first, 'blocks', heard.slice(1))
  await first.publish('blocks', bytes('block 1'))
  await first.publish('blocks', bytes('block 1'))
  const counts = (): number[] => heard.map(each => each.filter(({ text }) => text === 'block 1').length)
  await until(
    () =>
      counts()
        .slice(1)
        .every(count => count >= 1),
    'block 1 is everywhere',
  )
  await others[0]?.publish('blocks', bytes('block 2'))
  await until(() => [0, 2, 3].every(i => heard[i]?.some(({ text }) => text === 'block 2')), 'block 2 is everywhere')
  assert.equal(counts(), [0, 1, 1, 1])
  assert.is((await failure(first.publish('blocks', new Uint8Array(MAX_GOSSIP_BYTES + 1))))?.code, 'too-large')
})

test('what is rejected is not forwarded', async () => {
  // a - b - c: what c hears of a has passed b.
  const [a, b, c] = [await bed.full(1), await bed.full(2), await bed.full(3)]
  const atB = listen(b, 'blocks', ['bad'])
  const atC = listen(c, 'blocks')
  await Promise.all([a, b, c].map(network => network.start()))
  a.setMembers([memberOf(a), memberOf(b)])
  b.setMembers([memberOf(a), memberOf(b), memberOf(c)])
  c.setMembers([memberOf(b), memberOf(c)])
  await warm(a, 'blocks', [atB, atC])
  await a.publish('blocks', bytes('bad'))
  await until(() => atB.some(({ text }) => text === 'bad'), 'b heard it')
  await a.publish('blocks', bytes('good'))
  await until(() => atC.some(({ text }) => text === 'good'), 'c heard the next one')
  assert.equal(
    atC.filter(({ text }) => text === 'bad'),
    [],
  )
  assert.ok(
    atC.every(({ from }) => from === toHex(b.networkKey)),
    'c is connected to b alone',
  )
})

test('a handler that throws drops the message and harms nobody', async () => {
  const [a, b] = [await bed.full(1), await bed.full(2)]
  let calls = 0
  b.subscribe('blocks', () => {
    calls += 1
    throw new Error('a bug')
  })
  await Promise.all([a.start(), b.start()])
  await mesh([a, b])
  let sent = 0
  await until(() => {
    a.publish('blocks', bytes(`m ${sent++}`)).catch(() => undefined)
    return calls >= 3
  }, 'called again and again')
})

test('a light peer follows announcements', async () => {
  const [a, b] = [await bed.full(1), await bed.full(2)]
  const light = await bed.light(8)
  const heard = listen(light, 'announcements')
  await Promise.all([a, b, light].map(network => network.start()))
  await mesh([a, b])
  await light.connect(addressOf(a))
  await light.connect(addressOf(b))
  for (const network of [a, b]) await warm(network, 'announcements', [heard])
  await b.publish('announcements', bytes('height 7'))
  await until(() => heard.some(({ text }) => text === 'height 7'), 'heard')
  assert.is(heard.filter(({ text }) => text === 'height 7').length, 1)
})

test('a copy on another topic is another message', () => {
  const data = bytes('data')
  assert.not.equal(messageId('/a', data), messageId('/b', data))
  assert.equal(messageId('/a', data), messageId('/a', bytes('data')))
  assert.is(messageId('/a', data).length, 20)
})

test.run()
