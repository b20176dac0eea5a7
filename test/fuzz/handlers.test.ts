/**
 * The handlers behind the decoders, with real services on a real chain and no sockets: whatever a peer sends, nothing but a refusal leaves
 * them. What needs streams (uploads, releases) is attacked over sockets in test/node/attacks-*.test.ts and test/network/hostile.test.ts.
 */
import { randomInt } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { consensusMessageCodec } from '../../src/consensus/messages.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { batchCodec } from '../../src/ledger/block.ts'
import type { LightRequest } from '../../src/network/light-messages.ts'
import { announcementCodec, lightRequestCodec } from '../../src/network/light-messages.ts'
import type { Network, RequestContext } from '../../src/network/network.ts'
import { peerStatusCodec } from '../../src/network/peer-status-messages.ts'
import { PROTOCOL } from '../../src/network/protocols.ts'
import { batchRequestCodec, syncRequestCodec } from '../../src/network/validator-messages.ts'
import { Conflicts } from '../../src/node/conflicts.ts'
import { Directory } from '../../src/node/directory.ts'
import { LightService } from '../../src/node/light-service.ts'
import { OwnerSponsor } from '../../src/node/owner-sponsor.ts'
import { PeerStatusService } from '../../src/node/peer-status.ts'
import { SyncService } from '../../src/node/sync.ts'
import { TransactionService } from '../../src/node/transactions.ts'
import { TestNetwork } from '../consensus/network.ts'
import { genesisOf, nodeKeys, seedOf } from '../node/cluster.ts'
import { createFolder, nextBlock, openTestChain, temporary } from '../node/ledger-fixture.ts'
import { mutated } from './mutate.ts'
import { type Random, randomOf } from './random.ts'
import { sampleOf } from './sample.ts'

const test = suite('fuzzing the handlers')
const SEED = process.env.EPIONE_TEST_SEED === undefined ? randomInt(2 ** 31) : Number(process.env.EPIONE_TEST_SEED)

/** What a handler may do: answer, or refuse with a code. */
async function mayRefuse(call: () => unknown, bytes: Uint8Array, signal: AbortSignal): Promise<'answered' | string> {
  try {
    await call()
    return 'answered'
  } catch (error) {
    if (error instanceof EpioneError) return error.code
    if (signal.aborted && error === signal.reason) return 'aborted'
    throw new Error(`seed ${SEED}, input ${toHex(bytes.subarray(0, 400))}`, { cause: error })
  }
}

function samplesOf(random: Random): Uint8Array[] {
  return Array.from({ length: 40 }, () => sampleOf(lightRequestCodec, random)).filter(sample => sample !== undefined)
}

test('light requests, announcements, batches and synchronisation: answers and refusals alone', async () => {
  using dir = temporary()
  await using opened = await openTestChain(dir.dir, genesisOf())
  const { chain } = opened
  const [first, second] = [createFolder(chain, 'one'), createFolder(chain, 'two')]
  await chain.accept(nextBlock(chain, [first]))
  await chain.accept(nextBlock(chain, [second]))
  const coming = nextBlock(chain, [createFolder(chain, 'three')])

  type Handler = (request: Uint8Array, context: RequestContext) => Promise<Uint8Array>
  const handlers = new Map<string, Handler>()
  let announced: ((bytes: Uint8Array, peer: Uint8Array) => Promise<string>) | undefined
  let pushed: ((frame: Uint8Array, peer: Uint8Array) => Promise<void>) | undefined
  const reports: string[] = []
  const network = {
    handle: async (protocol: string, _policy: string, handler: Handler) => {
      handlers.set(protocol, handler)
    },
    subscribe: (_topic: string, handler: typeof announced) => {
      announced = handler
    },
    openChannel: (_protocol: string, handler: typeof pushed) => {
      pushed = handler
      return { broadcast: () => undefined, send: () => undefined }
    },
    onPeer: () => () => undefined,
    peers: () => [],
    report: (_peer: Uint8Array, offence: string) => reports.push(offence),
    locate: { find: async function* () {} },
  } as unknown as Network
  const problems: string[] = []
  const silent = (): void => undefined
  const logger = {
    debug: silent,
    info: silent,
    warn: silent,
    error: (fields: unknown, text?: string) => problems.push(`${text} ${JSON.stringify(fields)}`),
  }
  const directory = new Directory(chain)
  const now = (): number => chain.tip.header.time
  const keys = nodeKeys(0)
  const transactions = new TransactionService(
    { validatorKey: keys.consensus.publicKey },
    { chain, directory, network, logger, now, onWork: silent },
  )
  const owners = new OwnerSponsor({ account: keys.account, accountKey: keys.signing }, { chain, directory, now })
  const conflicts = new Conflicts({ chain, directory, logger, onEvidence: silent })
  const light = new LightService(
    { account: keys.account, accountKey: keys.signing },
    { chain, network, transactions, owners, conflicts, status: () => '{}', peers: () => '[]', now },
  )
  const { tip } = chain
  const own = { height: tip.header.height, tip: tip.hash, base: 1, silentThrough: -1 }
  const peerStatus = new PeerStatusService({}, { network, now, own: () => own })
  const sync = new SyncService({}, { chain, network, logger, peerStatus, nodeOf: () => undefined, onSynced: async () => undefined })
  for (const service of [transactions, sync, light, peerStatus]) await service.start()
  try {
    const random = randomOf(SEED)
    const peer = nodeKeys(1).network.publicKey
    const key = chain.tip.header.stateRoot
    const real: LightRequest[] = [
      { type: 'query', value: { height: null, keys: [key, Uint8Array.of(1)] } },
      { type: 'prefix', value: { height: 1, prefix: Uint8Array.of(2), after: null, limit: 5 } },
      { type: 'receipt', value: { transaction: first.id, waitMs: 0 } },
      { type: 'submit', value: { transaction: createFolder(chain, 'four').bytes, holdMs: 0 } },
      { type: 'sponsor', value: { transaction: first.bytes } },
      { type: 'commit', value: { height: 1 } },
    ]
    const batch = batchCodec.encode({ author: nodeKeys(1).consensus.publicKey, transactions: [createFolder(chain, 'five').bytes] })
    const announcement = announcementCodec.encode({
      header: coming.header,
      certificate: coming.certificate!,
      transactions: coming.transactions,
    })
    const rounds: { samples: Uint8Array[]; count: number; give: (bytes: Uint8Array, context: RequestContext) => unknown }[] = [
      {
        samples: [...real.map(request => lightRequestCodec.encode(request)), ...samplesOf(random)],
        count: 12_000,
        give: (bytes, context) => handlers.get(PROTOCOL.light)!(bytes, context),
      },
      {
        samples: [syncRequestCodec.encode({ from: 1, limit: 10 })],
        count: 4_000,
        give: (bytes, context) => handlers.get(PROTOCOL.sync)!(bytes, context),
      },
      {
        samples: [peerStatusCodec.encode({ time: now(), ...own })],
        count: 4_000,
        give: (bytes, context) => handlers.get(PROTOCOL.peerStatus)!(bytes, context),
      },
      {
        samples: [batchRequestCodec.encode({ digest: seedOf('digest') })],
        count: 4_000,
        give: (bytes, context) => handlers.get(PROTOCOL.batch)!(bytes, context),
      },
      { samples: [batch], count: 6_000, give: bytes => pushed!(bytes, peer) },
      {
        samples: [announcement],
        count: 6_000,
        give: async bytes => assert.ok(['accept', 'ignore', 'reject'].includes(await announced!(bytes, peer))),
      },
    ]
    for (const { samples, count, give } of rounds) {
      const outcomes = new Map<string, number>()
      for (let i = 0; i < count; i++) {
        const bytes = mutated(samples, random)
        const abort = new AbortController()
        const context = { peer, signal: abort.signal, hold: () => () => undefined }
        // A peer that goes away: what waits for a block or the DHT ends.
        setImmediate(() => abort.abort(new EpioneError('connection-lost', 'The peer is gone.')))
        const outcome = await mayRefuse(() => give(bytes, context), bytes, abort.signal)
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      }
      assert.ok((outcomes.get('answered') ?? 0) + (outcomes.get('not-found') ?? 0) > 0, `some are served: ${JSON.stringify([...outcomes])}`)
    }
    assert.equal(problems, [], `seed ${SEED}`)
    assert.ok(reports.length > 1000 && reports.every(offence => offence === 'malformed'), 'malformed bytes are held against the peer')
    assert.ok(chain.tip.header.height <= 3, 'at most the announced block was taken')
  } finally {
    peerStatus.stop()
    light.stop()
    await sync.stop()
    transactions.stop()
    directory.stop()
  }
})

test('frames to a consensus engine: dropped, counted and blamed; the chain goes on', async () => {
  const network = new TestNetwork({ seed: SEED })
  try {
    await network.start()
    for (let name = 1; name <= 2; name++) {
      network.addWork(name)
      assert.ok(await network.until(() => network.heights().every(height => height >= name)))
    }
    const random = randomOf(SEED)
    const real = network.log.map(({ message }) => consensusMessageCodec.encode(message))
    const made = Array.from({ length: 60 }, () => sampleOf(consensusMessageCodec, random)).filter(sample => sample !== undefined)
    const samples = [...real, ...made]
    const liar = network.keys[3]!.publicKey
    for (let i = 0; i < 30_000; i++) {
      network.engines[i % 3]!.receive(mutated(samples, random), liar)
      if (i % 1000 === 999) await network.settle()
    }
    await network.settle()
    for (const engine of network.engines.slice(0, 3)) {
      const { drops, buffers, halted } = engine!.status()
      assert.is(halted, null)
      assert.ok(drops.malformed > 1000 && drops['invalid-signature'] + drops['unknown-validator'] + drops.old > 0, JSON.stringify(drops))
      assert.is(buffers.frames, 0)
    }
    assert.ok(network.misbehaviour.length > 1000)
    network.addWork(3)
    assert.ok(await network.until(() => network.applications.every(({ work }) => work.size === 0), 3_600_000), `seed ${SEED}`)
    assert.equal(network.failures, [])
    assert.ok(network.agree())
  } finally {
    await network.close()
  }
})

test.run()
