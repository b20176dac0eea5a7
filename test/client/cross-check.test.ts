/** What a light peer does where nodes of other organisations show other blocks: a lie of one, and a fork that a quorum signed. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeCheckpoint, encodeCheckpoint } from '../../src/client/checkpoint.ts'
import type { CrossCheckOptions } from '../../src/client/cross-check.ts'
import { diagnose } from '../../src/client/diagnose.ts'
import { LightPeer } from '../../src/client/light-peer.ts'
import { NodePool } from '../../src/client/nodes.ts'
import { certificateEvidence } from '../../src/consensus/evidence.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { verifyEvidence } from '../../src/ledger/evidence.ts'
import { headerHash } from '../../src/ledger/header.ts'
import {
  type Commit,
  commitResponseCodec,
  conflictResponseCodec,
  jsonResponseCodec,
  lightRequestCodec,
} from '../../src/network/light-messages.ts'
import type { Network } from '../../src/network/network.ts'
import { peerIdOf } from '../../src/network/peer.ts'
import { rejectsCode, throwsCode } from '../encoding/throws.ts'
import { genesisOf, nodeKeys } from '../node/cluster.ts'
import { keysOf, MadeChain, setOf } from './made-chain.ts'

const test = suite('cross-check with witnesses')
const START = 1_700_000_000_000
const TIP = 20
const genesis = genesisOf({ time: START })
const steady = { keys: keysOf(0, 1, 2, 3), since: 1 }
const chain = new MadeChain(genesis, () => steady)
/** From height 2 on another chain, signed by three of the same four. */
const fork = new MadeChain(genesis, () => steady, 1001)
const keyOf = (index: number): Uint8Array => nodeKeys(index).network.publicKey
const addressOf = (index: number): string => `/ip4/127.0.0.1/tcp/${7000 + index}/p2p/${peerIdOf(keyOf(index))}`

type Manner = (height: number) => Commit | Promise<Commit>
const honest: Manner = height => chain.commit(height)
const forked: Manner = height => (height < 2 ? chain.commit(height) : fork.commit(height, { signers: keysOf(0, 1, 2) }))
/** What only itself has signed. */
const liar: Manner = height => ({ ...fork.commit(height), certificate: fork.commit(height, { signers: keysOf(3) }).certificate })
const silent: Manner = async () => await new Promise<Commit>(() => undefined)

function peerOf(manners: Readonly<Record<number, Manner>>, options: CrossCheckOptions = { everyMs: 0 }) {
  const told: number[] = []
  const asked: string[] = []
  let now = START + TIP * 1000
  const network = {
    networkKey: keyOf(99),
    stop: async () => undefined,
    connect: async (address: string) => {
      const index = Number(/tcp\/7(\d+)/.exec(address)?.[1])
      if (manners[index] === undefined) throw new EpioneError('unreachable', 'Nobody is there.')
      return keyOf(index)
    },
    request: async (
      key: Uint8Array,
      _protocol: string,
      bytes: Uint8Array,
      { signal, timeoutMs }: { signal?: AbortSignal; timeoutMs: number },
    ) => {
      const index = Number(Object.keys(manners).find(number => toHex(keyOf(Number(number))) === toHex(key)))
      const request = lightRequestCodec.decode(bytes)
      asked.push(`${index} ${request.type}`)
      if (request.type === 'peers') return jsonResponseCodec.encode({ json: JSON.stringify({ peers: [] }) })
      if (request.type === 'conflict') {
        told.push(index)
        return conflictResponseCodec.encode({ accused: 0 })
      }
      if (request.type !== 'commit') throw new EpioneError('unsupported', 'no')
      let timer: NodeJS.Timeout | undefined
      const over = new Promise<never>((_, reject) => {
        const giveUp = (): void => reject(new EpioneError('timeout', 'No answer.'))
        timer = setTimeout(giveUp, Math.min(timeoutMs, 200))
        signal?.addEventListener('abort', giveUp, { once: true })
      })
      over.catch(() => undefined)
      const commit = (manners[index] as Manner)(request.value.height ?? TIP)
      try {
        return commitResponseCodec.encode(await Promise.race([commit, over]))
      } finally {
        clearTimeout(timer)
      }
    },
  }
  const pool = new NodePool(
    network as unknown as Network,
    Object.keys(manners).map(index => addressOf(Number(index))),
  )
  const peer = new LightPeer(genesis, pool, () => now, { firstMs: 0, ...options })
  const later = (ms: number): void => {
    now += ms
  }
  return { peer, told, asked, later }
}

async function checked(peer: LightPeer): Promise<void> {
  await peer.crossCheck?.settled()
}

test('witnesses that agree are counted, and asked no more often than is due', async () => {
  const { peer, asked, later } = peerOf({ 0: honest, 1: honest, 2: honest, 3: honest }, { everyMs: 1_000 })
  await peer.head()
  await checked(peer)
  const agreed = peer.crossCheck?.agreed ?? 0
  assert.ok(agreed >= 2, String(agreed))
  const commits = (): number => asked.filter(each => each.endsWith('commit')).length
  const before = commits()
  await peer.head()
  await checked(peer)
  assert.is(commits(), before + 1)
  later(1_000)
  await peer.head()
  await checked(peer)
  assert.ok((peer.crossCheck?.agreed ?? 0) >= agreed + 2)
  assert.is(peer.conflict, undefined)
})

test('two blocks that a quorum signed each: nothing is believed any more, every node is told, and who signed both is proven', async () => {
  const { peer, told } = peerOf({ 0: honest, 1: forked, 2: honest, 3: honest }, { everyMs: 0, witnesses: 3 })
  assert.is((await peer.head()).header.height, TIP)
  await checked(peer)
  const { conflict } = peer
  assert.ok(conflict)
  assert.is(conflict.height, TIP)
  assert.equal(told.toSorted(), [0, 1, 2, 3])
  for (const act of [async () => await peer.head(), async () => await peer.headerAt(TIP)]) await rejectsCode(act(), 'conflicting-headers')
  const { state, findings } = await diagnose(peer)
  assert.equal([state, findings[0]?.code], ['down', 'conflicting-headers'])
  const [a, b] = [conflict.first.certificate, conflict.second.certificate]
  assert.ok(a !== null && b !== null)
  const evidence = certificateEvidence(a, b)
  assert.is(evidence.length, 3)
  for (const each of evidence) assert.ok(verifyEvidence(peer.chainId, each, setOf(steady.keys, 1)))
  assert.equal(certificateEvidence(a, a), [])
  assert.equal(certificateEvidence(a, { ...b, round: 1 }), [])
})

test('a lie of one, silence and lagging are no conflict', async () => {
  const behind: Manner = () => {
    throw new EpioneError('behind', 'Not reached here yet.')
  }
  for (const manner of [liar, silent, behind, ((height: number) => chain.commit(height - 1)) as Manner]) {
    const { peer, told } = peerOf({ 0: honest, 1: manner, 2: honest }, { everyMs: 0, witnesses: 2 })
    await peer.head()
    await checked(peer)
    assert.is(peer.conflict, undefined)
    assert.equal(told, [])
    assert.is(peer.crossCheck?.agreed, 1)
    assert.is((await peer.head()).header.height, TIP)
    await peer.stop()
  }
})

test('nodes of nobody are no witnesses, and none are asked where that is not wanted', async () => {
  const { peer } = peerOf({ 0: honest, 20: forked })
  await peer.head()
  await checked(peer)
  assert.equal([peer.conflict, peer.crossCheck?.agreed], [undefined, 0])
  const without = new LightPeer(genesis, peer.nodes, () => START + TIP * 1000, false)
  await without.head()
  assert.is(without.crossCheck, null)
})

test('a comparison that is under way ends with the peer', async () => {
  const { peer } = peerOf({ 0: honest, 1: silent, 2: silent })
  await peer.head()
  await peer.stop()
  assert.is(peer.conflict, undefined)
})

test('a checkpoint is written down and read again; what is none is refused', () => {
  const header = chain.header(TIP)
  const checkpoint = { chainId: header.chainId, height: TIP, headerHash: headerHash(header) }
  const text = encodeCheckpoint(checkpoint)
  assert.equal(decodeCheckpoint(`\n${text}\n`), checkpoint)
  for (const wrong of ['', text.slice(0, -4), text.replace('checkpoint', 'card'), 'epione-checkpoint:!'])
    throwsCode(() => decodeCheckpoint(wrong), 'bad-checkpoint')
})

test.run()
