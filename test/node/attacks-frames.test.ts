/** Whatever bytes strangers send on whatever protocol: nodes live, and the chain goes on. */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { randomBytes } from '../../src/crypto/random.ts'
import { utf8 } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { uploadTicketCodec } from '../../src/fragments/formats.ts'
import { batchCodec } from '../../src/ledger/block.ts'
import { auditChallengeCodec } from '../../src/network/audit-messages.ts'
import { releaseRequestCodec, uploadFrameCodec } from '../../src/network/fragment-messages.ts'
import {
  deskContentCodec,
  deskRequestCodec,
  folderAskCodec,
  folderRequestCodec,
  lightRequestCodec,
} from '../../src/network/light-messages.ts'
import { createNetwork, type Network } from '../../src/network/network.ts'
import { peerStatusCodec } from '../../src/network/peer-status-messages.ts'
import { MAX_FRAGMENT_FRAME, MAX_LIGHT_RESPONSE, PROTOCOL } from '../../src/network/protocols.ts'
import { repairRequestCodec } from '../../src/network/repair-messages.ts'
import { batchRequestCodec, snapshotRequestCodec, syncRequestCodec } from '../../src/network/validator-messages.ts'
import { property, type SeededRandom } from '../encoding/seeded.ts'
import { Cluster, eventually, lives, nodeKeys, seedOf } from './cluster.ts'

const test = suite<{ cluster: Cluster }>('attacks by frames')

test.before(async context => {
  context.cluster = await Cluster.start()
})

test.after(async ({ cluster }) => await cluster.stop())

/** Inputs of each protocol. */
const INPUTS = 200
/** Malformed messages that a node takes from one peer before it turns it away. */
const PATIENCE = 3

async function stranger(mode: 'light' | 'full' = 'light'): Promise<Network> {
  const network = await createNetwork({ privateKeySeed: randomBytes(32), listen: [], mode })
  await network.start()
  return network
}

const hash = seedOf('hash')
const signature = new Uint8Array(64)
/** A right message of each protocol, to be damaged. */
const SAMPLES: Readonly<Record<keyof typeof PROTOCOL, Uint8Array>> = {
  light: lightRequestCodec.encode({ type: 'query', value: { height: 0, keys: [hash, Uint8Array.of(1)] } }),
  desk: deskRequestCodec.encode({
    content: deskContentCodec.encode({
      chainId: hash,
      account: hash,
      peer: hash,
      time: 1,
      nonce: hash,
      action: { type: 'open-folder', value: { body: hash, holdMs: 0 } },
    }),
    key: nodeKeys(0).signing.publicKey,
    signature,
  }),
  folder: folderRequestCodec.encode({
    type: 'releases',
    value: {
      content: folderAskCodec.encode({ chainId: hash, folder: hash, consent: null, custodian: hash, peer: hash, time: 1 }),
      key: hash,
      signature,
      from: 0,
      limit: 1,
    },
  }),
  upload: uploadFrameCodec.encode({
    type: 'start',
    value: {
      ticket: uploadTicketCodec.encode({
        folder: hash,
        epoch: 0,
        submissionRoot: hash,
        versions: 1,
        size: 1,
        n: 4,
        k: 2,
        memberHeight: 0,
        labelSalt: hash,
        label: 'normal',
        sponsor: hash,
        until: 1,
      }),
      signature,
      token: hash,
      index: 0,
    },
  }),
  release: releaseRequestCodec.encode({ request: hash, signature, accessOpening: hash, consentOpening: null, reason: null }),
  repair: repairRequestCodec.encode({ type: 'sums', value: { folder: hash, submissionRoot: hash, attempt: 1, leaves: [0] } }),
  sync: syncRequestCodec.encode({ from: 1, limit: 1 }),
  snapshot: snapshotRequestCodec.encode({ type: 'heads', value: { from: 1, limit: 1 } }),
  peerStatus: peerStatusCodec.encode({ time: 1, height: 1, tip: hash, base: 1, silentThrough: -1 }),
  batch: batchRequestCodec.encode({ digest: hash }),
  batches: batchCodec.encode({ author: hash, transactions: [hash] }),
  audit: auditChallengeCodec.encode({ chainId: hash, height: 1, nonce: 0, folder: hash, submissionRoot: hash }),
  consensus: hash,
}
const STREAMS: ReadonlySet<string> = new Set(['upload', 'release', 'repair', 'consensus', 'batches'])
const MEMBERS_ONLY = ['repair', 'sync', 'snapshot', 'peerStatus', 'batch', 'batches', 'consensus', 'audit'] as const

/** Noise, or a message that was cut, lengthened or flipped. */
function damaged(sample: Uint8Array, random: SeededRandom): Uint8Array {
  const kind = random.below(4)
  if (kind === 0) return random.bytes(random.below(300))
  if (kind === 1) return sample.slice(0, random.below(sample.length))
  if (kind === 2) return Uint8Array.from([...sample, ...random.bytes(1 + random.below(20))])
  const out = Uint8Array.from(sample)
  for (let flips = 1 + random.below(3); flips > 0; flips--) {
    const at = random.below(out.length)
    out[at] = (out[at] as number) ^ (1 << random.below(8))
  }
  return out
}

/** Sends bytes on a protocol and hears what comes; the code of what went wrong, or `answered`. */
async function send(network: Network, node: Uint8Array, protocol: keyof typeof PROTOCOL, bytes: Uint8Array): Promise<string> {
  try {
    if (!STREAMS.has(protocol)) {
      await network.request(node, PROTOCOL[protocol], bytes, { timeoutMs: 10_000, maxResponse: MAX_LIGHT_RESPONSE })
      return 'answered'
    }
    const channel = await network.openStream(node, PROTOCOL[protocol], { maxFrame: MAX_FRAGMENT_FRAME, timeoutMs: 10_000 })
    try {
      await channel.send(bytes)
      await channel.closeWrite()
      for await (const _ of channel.frames()) break
      return 'answered'
    } finally {
      channel.abort(new Error('heard'))
    }
  } catch (error) {
    return errorCode(error)
  }
}

test('(m) validators hear no stranger: consensus, batches and synchronisation are for members', async ({ cluster }) => {
  for (const mode of ['light', 'full'] as const) {
    const network = await stranger(mode)
    for (const address of cluster.addresses) {
      const node = await network.connect(address)
      for (const protocol of MEMBERS_ONLY) assert.is(await send(network, node, protocol, SAMPLES[protocol]), 'not-a-member', protocol)
    }
    await network.stop()
  }
})

/** Sends damaged messages to all nodes; from how many peers so that each stays within the nodes' patience, `perPeer` says. */
async function flood(cluster: Cluster, protocol: keyof typeof PROTOCOL, perPeer: number): Promise<Set<string>> {
  const heard = new Set<string>()
  await property(async random => {
    for (let sent = 0; sent < INPUTS; ) {
      const network = await stranger()
      await Promise.all(cluster.addresses.map(async address => await network.connect(address)))
      const work = cluster.keys.map(async ({ network: { publicKey } }) => {
        for (let times = 0; times < perPeer; times++)
          heard.add(await send(network, publicKey, protocol, damaged(SAMPLES[protocol], random)))
      })
      await Promise.all(work)
      sent += perPeer * cluster.addresses.length
      await network.stop()
    }
    // Nodes say what is wrong, or nothing; a crash would be heard as one of these.
    assert.not.ok(heard.has('internal'), [...heard].join(', '))
    assert.not.ok(heard.has('unreachable'), [...heard].join(', '))
  })()
  assert.equal(cluster.errors(), [])
  return heard
}

for (const protocol of ['light', 'desk', 'folder', 'upload', 'release'] as const) {
  test(`(k) ${INPUTS} damaged messages on the protocol ${protocol} leave all nodes alive`, async ({ cluster }) => {
    assert.ok((await flood(cluster, protocol, PATIENCE)).size > 0)
  })
}

for (const protocol of MEMBERS_ONLY) {
  test(`(k) ${INPUTS} damaged messages of a stranger on the protocol ${protocol} are not even read`, async ({ cluster }) => {
    assert.equal([...(await flood(cluster, protocol, INPUTS / 4))], ['not-a-member'])
  })
}

test('(k) after all of it the network lives, and nothing of it is kept', async ({ cluster }) => {
  await lives(cluster, 'after the frames')
  for (const node of cluster.running()) assert.equal(node.status().storage.fragments, 0)
})

test('(k) who sends malformed messages again and again is turned away, and nobody else is', async ({ cluster }) => {
  const [address] = cluster.addresses as [string]
  const [mad, calm] = [await stranger(), await stranger()]
  const node = await mad.connect(address)
  await calm.connect(address)
  const status = lightRequestCodec.encode({ type: 'status', value: {} })
  assert.is(await send(mad, node, 'light', status), 'answered')
  for (let times = 0; times <= PATIENCE; times++) await send(mad, node, 'light', utf8('noise'))
  await eventually(async () => (await send(mad, node, 'light', status)) !== 'answered', 'the peer is turned away')
  assert.is(await send(calm, node, 'light', status), 'answered')
  await Promise.all([mad.stop(), calm.stop()])
})

test.run()
