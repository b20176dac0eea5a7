/** A light peer on a chain whose genesis is long ago: whom it asks to vouch, and where it starts from. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LightPeer } from '../../src/client/light-peer.ts'
import { NodePool } from '../../src/client/nodes.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { headerHash } from '../../src/ledger/header.ts'
import { commitResponseCodec, jsonResponseCodec, lightRequestCodec } from '../../src/network/light-messages.ts'
import type { Network } from '../../src/network/network.ts'
import { peerIdOf } from '../../src/network/peer.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { genesisOf, nodeKeys, seedOf } from '../node/cluster.ts'
import { keysOf, MadeChain } from './made-chain.ts'

const test = suite('witnesses of a light peer')
const DAY = 24 * 60 * 60 * 1000
const START = 1_700_000_000_000
const genesis = genesisOf({ time: START })
const steady = { keys: keysOf(0, 1, 2, 3), since: 1 }
const chain = new MadeChain(genesis, () => steady, DAY)
/** What whoever holds the keys of two founders can sign later. */
const forged = new MadeChain(genesis, height => (height < 2 ? steady : { keys: keysOf(0, 1, 20), since: 2 }), DAY)
const keyOf = (index: number): Uint8Array => nodeKeys(index).network.publicKey
const addressOf = (index: number, named = true): string =>
  `/ip4/127.0.0.1/tcp/${7000 + index}${named ? `/p2p/${peerIdOf(keyOf(index))}` : ''}`

interface Shown {
  chain: MadeChain
  /** Newest height that it shows; `wait` brings one more. */
  tip: number
}

/** Nodes by their numbers; each knows the addresses of `known`. */
function peerOf(
  nodes: Record<number, Shown>,
  addresses: readonly string[],
  known: readonly number[] = [],
): { peer: LightPeer; asked: string[] } {
  const asked: string[] = []
  const network = {
    networkKey: keyOf(99),
    connect: async (address: string) => {
      const index = Number(/tcp\/7(\d+)/.exec(address)?.[1])
      if (nodes[index] === undefined) throw new EpioneError('unreachable', 'Nobody is there.')
      return keyOf(index)
    },
    request: async (key: Uint8Array, _protocol: string, bytes: Uint8Array) => {
      const index = Number(Object.keys(nodes).find(number => toHex(keyOf(Number(number))) === toHex(key)))
      const shown = nodes[index] as Shown
      const request = lightRequestCodec.decode(bytes)
      if (request.type === 'peers') {
        const peers = known.map(number => ({ networkKey: toHex(keyOf(number)), addresses: [addressOf(number)] }))
        return jsonResponseCodec.encode({ json: JSON.stringify({ peers }) })
      }
      asked.push(`${index} ${request.type}`)
      if (request.type === 'wait') return commitResponseCodec.encode(shown.chain.commit(++shown.tip))
      if (request.type !== 'commit') throw new EpioneError('unsupported', 'no')
      const height = request.value.height ?? shown.tip
      if (height > shown.tip) throw new EpioneError('not-found', 'Not held here.')
      return commitResponseCodec.encode(shown.chain.commit(height))
    },
  }
  const pool = new NodePool(network as unknown as Network, addresses)
  return { peer: new LightPeer(genesis, pool, () => START + 100 * DAY + 1), asked }
}

const honest = (tip = 100): Shown => ({ chain, tip })
const liar = (): Shown => ({ chain: forged, tip: 100 })

test('the nodes of two founding organisations vouch, one of them found by asking the other', async () => {
  const { peer } = peerOf({ 0: honest(), 2: honest() }, [addressOf(0)], [2])
  assert.is((await peer.headerAt(100)).height, 100)
  assert.equal(peer.checkpoint(), { height: 100, headerHash: headerHash(chain.header(100)) })
})

test('an address that names no key counts for the key that answers there', async () => {
  const { peer } = peerOf({ 0: honest(), 2: honest() }, [addressOf(0, false), addressOf(2, false)])
  assert.is((await peer.headerAt(100)).height, 100)
  // One node at two addresses is one witness.
  const twice = peerOf({ 0: honest() }, [addressOf(0, false), addressOf(0)])
  await rejectsCode(twice.peer.headerAt(100), 'unanchored')
})

test('a node that is a moment behind may follow', async () => {
  const { peer, asked } = peerOf({ 0: honest(), 1: honest(99) }, [addressOf(0), addressOf(1)])
  assert.is((await peer.headerAt(100)).height, 100)
  assert.ok(asked.includes('1 wait'))
})

test('one node, and nodes of nobody, vouch for nothing', async () => {
  await rejectsCode(peerOf({ 0: honest() }, [addressOf(0)], [1, 2, 3]).peer.headerAt(100), 'unanchored')
  const strangers = peerOf({ 0: honest(), 20: honest(), 21: honest() }, [addressOf(0), addressOf(20), addressOf(21)])
  await rejectsCode(strangers.peer.headerAt(100), 'unanchored')
})

test('a forged header is passed over for one that is vouched for', async () => {
  const { peer } = peerOf({ 0: liar(), 2: honest(), 3: honest() }, [addressOf(0), addressOf(2)], [3])
  const header = await peer.headerAt(100)
  assert.equal(headerHash(header), headerHash(chain.header(100)))
  const alone = peerOf({ 0: liar(), 20: liar(), 21: liar() }, [addressOf(0), addressOf(20)], [21])
  await rejectsCode(alone.peer.headerAt(100), 'unanchored')
})

test('from a checkpoint one node is enough, and a node that shows another header there is passed over', async () => {
  const checkpoint = { height: 90, headerHash: headerHash(chain.header(90)) }
  const { peer } = peerOf({ 0: liar(), 3: honest() }, [addressOf(0), addressOf(3)])
  assert.is((await peer.startFrom(checkpoint)).height, 90)
  assert.equal(headerHash(await peer.headerAt(100)), headerHash(chain.header(100)))
  await rejectsCode(peerOf({ 0: liar() }, [addressOf(0)]).peer.startFrom(checkpoint), 'invalid-header')
  const wrong = { height: 90, headerHash: seedOf('hash') }
  await rejectsCode(peerOf({ 3: honest() }, [addressOf(3)]).peer.startFrom(wrong), 'invalid-header')
  await rejectsCode(peerOf({ 3: honest(80) }, [addressOf(3)]).peer.startFrom(checkpoint), 'not-found')
})

test.run()
