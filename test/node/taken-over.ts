/** A member's node in the hands of somebody else. */
import { createNetwork, type Network } from '../../src/network/network.ts'
import { type Cluster, nodeKeys } from './cluster.ts'

/** A member's node that was taken over: its keys are right, and it does what it likes. */
export async function takenOver(
  cluster: Cluster,
  index: number,
): Promise<{ network: Network; stop: () => Promise<void> } & AsyncDisposable> {
  const network = await createNetwork({
    privateKeySeed: nodeKeys(index).networkSeed,
    listen: [(cluster.addresses[index] as string).replace(/\/p2p\/.*/, '')],
    mode: 'full',
  })
  network.setMembers(
    cluster.addresses.map((address, i) => ({ networkKey: nodeKeys(i).network.publicKey, validator: true, addresses: [address] })),
  )
  let stopping: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    stopping ??= network.stop()
    await stopping
  }
  return { network, stop, [Symbol.asyncDispose]: stop }
}
