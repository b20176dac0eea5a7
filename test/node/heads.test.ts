/** Subscribing to headers over a network: no gap and no repeat, on other nodes, after a break, and with a node that keeps blocks to itself. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type HeadsOptions, subscribeHeads } from '../../src/client/heads.ts'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { type Header, headerHash } from '../../src/ledger/header.ts'
import { commitResponseCodec } from '../../src/network/light-messages.ts'
import { Cluster, openFolder } from './cluster.ts'
import { startLyingNode } from './lying-node.ts'

const test = suite('subscribing to headers')

/** Takes headers up to a height. */
async function upTo(peer: LightPeer, height: number, options: HeadsOptions): Promise<Header[]> {
  const taken: Header[] = []
  for await (const header of subscribeHeads(peer, options)) {
    taken.push(header)
    if (header.height >= height) return taken
  }
  return taken
}

const heights = (headers: readonly Header[]): number[] => headers.map(({ height }) => height)
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)

test('each height comes once and in order, over a node that goes and on another, and from any height on', async () => {
  await using cluster = await Cluster.start()
  const author = cluster.person(0)
  await cluster.staff(0, [author])
  const writer = await cluster.peer([0])
  let folders = 0
  /** Makes blocks. */
  const happens = async (): Promise<number> => {
    await openFolder(writer, author, `patient ${folders++}`)
    return (await writer.head()).header.height
  }
  const first = await happens()

  const signal = AbortSignal.timeout(60_000)
  const light = await cluster.peer([3, 1])
  const taken: Header[] = []
  const live = (async () => {
    for await (const header of subscribeHeads(light, { fromHeight: 1, signal })) {
      taken.push(header)
      // The node that answers goes away in the middle.
      if (header.height === first) await cluster.stopNode(3)
      if (header.height >= first + 2) return
    }
  })()
  while (taken.length < first + 2) await happens()
  await live
  assert.equal(heights(taken), range(1, taken.length))
  for (const [i, header] of taken.entries()) if (i > 0) assert.ok(equalBytes(header.parent, headerHash(taken[i - 1] as Header)))

  // Later and elsewhere, from the height that was the last: no gap, no repeat.
  const resumed = await upTo(await cluster.peer([2]), first + 2, { fromHeight: first + 1, signal })
  assert.equal(heights(resumed), range(first + 1, first + 2))
  assert.ok(equalBytes(headerHash(resumed[0] as Header), headerHash(taken[first] as Header)))

  // Who is slow and wants the newest alone gets that; what lies between is left out.
  const slow = subscribeHeads(await cluster.peer([2]), { fromHeight: 1, lagging: 'newest', signal })
  const newest = (await slow.next()).value as Header
  assert.ok(newest.height >= first + 2)
  await slow.return(undefined)

  // Nobody is there for a while.
  const cutOff = new AbortController()
  let told = 0
  const lost = upTo(await cluster.peer(['/ip4/127.0.0.1/tcp/1']), 1, {
    signal: cutOff.signal,
    onCutOff: () => {
      if (++told === 2) cutOff.abort(new Error('enough'))
    },
  })
  await lost.then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'enough'),
  )

  // A node that shows an old header for the newest, whatever it is asked, is passed over for one that does not.
  await using liar = await startLyingNode(cluster.addresses[2] as string)
  liar.tell(async (request, honest) => {
    if (request.type === 'wait')
      return commitResponseCodec.encode(commitResponseCodec.decode(await honest({ type: 'commit', value: { height: 1 } })))
    return await honest(request)
  })
  const both = await cluster.peer([liar.address, cluster.addresses[1] as string])
  const { height } = (await both.head()).header
  const followed = upTo(both, height + 1, { fromHeight: height, signal })
  await happens()
  assert.equal(heights(await followed).slice(0, 2), range(height, height + 1))
  assert.equal(cluster.errors(), [])
})

test.run()
