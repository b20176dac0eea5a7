/** Commit latency on an idle chain, and sustained transactions. */

import { createLightPeer, type LightPeer } from '../../src/client/light-peer.ts'
import type { Transaction } from '../../src/ledger/transaction.ts'
import { lightRequestCodec } from '../../src/network/light-messages.ts'
import { PROTOCOL } from '../../src/network/protocols.ts'
import type { Testnet } from '../launcher/testnet.ts'
import { createAnchors } from './anchors.ts'
import { percentile, type Row } from './table.ts'

const IDLE_SAMPLES = 60
/** Submissions under way at once, per node. */
const CONCURRENCY = 24

export async function measureLedger(
  net: Testnet,
  options: { seed: number; transactions: number; progress: (text: string) => void },
): Promise<Row[]> {
  const peers = await Promise.all(
    net.nodes.map(async node => await createLightPeer({ nodes: node.addresses.slice(0, 1), genesis: net.genesis })),
  )
  try {
    const peer = peers[0] as LightPeer
    const make = await createAnchors(net, peer, options.seed)

    options.progress('measuring commit latency on an idle chain')
    const idle: number[] = []
    for (let i = 0; i < IDLE_SAMPLES; i++) {
      const transaction = make(i)
      const start = performance.now()
      await peer.submit(transaction)
      if (i >= 10) idle.push(performance.now() - start)
    }

    options.progress(`measuring ${options.transactions} transactions`)
    const batch = Array.from({ length: options.transactions }, (_, i) => make(IDLE_SAMPLES + i))
    const first = (await peer.head()).header.height
    const start = performance.now()
    await Promise.all(
      peers.map(
        async (each, p) =>
          await submitAll(
            each,
            batch.filter((_, i) => i % peers.length === p),
          ),
      ),
    )
    const submitted = performance.now() - start
    // Every transaction is looked up: only what is seen committed counts.
    let last = first
    for (let i = 0; i < batch.length; i += 64) {
      const found = await Promise.all(
        batch.slice(i, i + 64).map(async ({ id }, j) => await (peers[(i + j) % peers.length] as LightPeer).outcome(id)),
      )
      last = Math.max(last, ...found.map(outcome => outcome.height))
    }
    const from = (await peer.headerAt(first)).time
    const to = (await peer.headerAt(last)).time
    const seconds = (to - from) / 1000
    return [
      {
        what: 'commit latency, idle, p50',
        result: `${percentile(idle, 0.5).toFixed(1)} ms`,
        conditions: `${idle.length} anchors one by one, from submission to verified receipt`,
      },
      { what: 'commit latency, idle, p99', result: `${percentile(idle, 0.99).toFixed(1)} ms`, conditions: 'the same run' },
      {
        what: 'sustained transactions',
        result: `${(batch.length / seconds).toFixed(0)} /s`,
        conditions: `${batch.length} anchors of ${batch[0]?.bytes.length} B over ${last - first} blocks; handed in within ${(submitted / 1000).toFixed(1)} s`,
      },
    ]
  } finally {
    await Promise.all(peers.map(async peer => await peer.stop()))
  }
}

async function submitAll(peer: LightPeer, transactions: readonly Transaction[]): Promise<void> {
  const queue = [...transactions]
  const node = (await peer.nodes.network.connect(peer.nodes.order()[0]?.addresses[0] as string)) as Uint8Array
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      for (let transaction = queue.shift(); transaction !== undefined; transaction = queue.shift()) {
        const request = lightRequestCodec.encode({ type: 'submit', value: { transaction: transaction.bytes, holdMs: 0 } })
        await peer.nodes.network.request(node, PROTOCOL.light, request, { timeoutMs: 20_000, maxResponse: 1024 })
      }
    }),
  )
}
