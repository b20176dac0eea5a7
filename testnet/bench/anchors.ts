/** Transactions to load a network with: anchors of made-up submissions in one folder of the first hospital. */
import type { LightPeer } from '../../src/client/light-peer.ts'
import { anchorBodyCodec } from '../../src/contracts/records-formats.ts'
import { randomBytes } from '../../src/crypto/random.ts'
import { u64 } from '../../src/encoding/bytes.ts'
import { taggedHash } from '../../src/encoding/hash.ts'
import { createTransaction, type Transaction } from '../../src/ledger/transaction.ts'
import { type PlannedNode, planTestnet } from '../launcher/plan.ts'
import type { Testnet } from '../launcher/testnet.ts'
import { openBenchFolder } from './folder.ts'

/** Opens a folder, and gives what makes its anchors: number `i` is of its own submission. Each is valid for ten minutes. */
export async function createAnchors(net: Testnet, peer: LightPeer, seed: number): Promise<(i: number) => Transaction> {
  const { address } = await openBenchFolder(net, peer, seed)
  const { height: memberHeight } = await peer.custodians()
  const plan = planTestnet({ ...net.manifest, dir: net.dir })
  const { signing, account } = (plan.nodes[0] as PlannedNode).keys
  const { n, k } = peer.parameters
  return i => {
    const submissionRoot = taggedHash('bench-root', u64(seed), u64(i))
    const body = anchorBodyCodec.encode({ folder: address.id, epoch: 0, submissionRoot, sizeBucket: 12, n, k, memberHeight })
    return createTransaction(
      {
        chainId: peer.chainId,
        from: { kind: 'account', id: account },
        validUntil: peer.now() + 10 * 60_000,
        nonce: randomBytes(16),
        contract: 'records',
        action: 'anchor',
        body,
        sponsor: null,
      },
      signing,
    )
  }
}
