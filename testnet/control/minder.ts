/**
 * The process that minds a detached testnet: it has the links between the nodes, does to them what it is asked for, and notes that.
 * The nodes outlive it; where it ends, the links are gone until it is started again.
 */
import { openTestnet } from '../launcher/testnet.ts'
import { Mind } from './mind.ts'

/** Minds the testnet in a folder until `signal` aborts. */
export async function mind(dir: string, signal: AbortSignal): Promise<void> {
  const net = await openTestnet({ dir, minded: true })
  const minded = new Mind(net)
  await minded.serve()
  await new Promise<void>(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  await minded.stop()
  await net.leave()
  await net.links?.stop()
}
