/** Whether what was acknowledged is there: every node is asked for every receipt. */

import type { LightPeer } from '../../src/client/light-peer.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { receiptCodec } from '../../src/ledger/receipt.ts'
import { lightRequestCodec, receiptResponseCodec } from '../../src/network/light-messages.ts'
import { MAX_LIGHT_RESPONSE, PROTOCOL } from '../../src/network/protocols.ts'
import type { Testnet } from '../launcher/testnet.ts'
import type { LoadWorld } from './world.ts'

const VERIFY_AT_ONCE = 16
const REQUEST_TIMEOUT_MS = 10_000

/** Acknowledged transactions that a node does not have at the height that was acknowledged. */
export async function missingAnchors(
  net: Testnet,
  { peers, anchored }: LoadWorld,
): Promise<{ node: string; transaction: string; height: number }[]> {
  const lost: { node: string; transaction: string; height: number }[] = []
  const { network } = (peers[0] as LightPeer).nodes
  for (const node of net.nodes) {
    const key = await network.connect(node.addresses[0] as string)
    const queue = [...anchored]
    const work = async (): Promise<void> => {
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
        const request = lightRequestCodec.encode({ type: 'receipt', value: { transaction: next.id, waitMs: 0 } })
        const limits = { timeoutMs: REQUEST_TIMEOUT_MS, maxResponse: MAX_LIGHT_RESPONSE }
        const found = receiptResponseCodec.decode(await network.request(key, PROTOCOL.light, request, limits))
        const kept = found !== null && found.commit.header.height === next.height && receiptCodec.decode(found.receipt).code === 'ok'
        if (!kept) lost.push({ node: node.id, transaction: toHex(next.id), height: next.height })
      }
    }
    await Promise.all(Array.from({ length: VERIFY_AT_ONCE }, work))
  }
  return lost
}
