import { MalformedError } from '../encoding/errors.ts'
import type { Network } from '../network/network.ts'

/**
 * Serves a peer, and holds it against the peer where its bytes were malformed: whoever sends such bytes often is kept out for a
 * while. What lies on this node's own disk is authenticated, so that a MalformedError speaks of what came from the peer.
 */
export async function servePeer<T>(network: Pick<Network, 'report'>, peer: Uint8Array, serve: () => Promise<T>): Promise<T> {
  try {
    return await serve()
  } catch (error) {
    if (error instanceof MalformedError) network.report(peer, 'malformed')
    throw error
  }
}
