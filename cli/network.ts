/** The way from a command to the network that it acts in: a light peer that trusts no node. */
import { createLightPeer, type LightPeer } from '../src/client/light-peer.ts'
import { EpioneError, errorCode } from '../src/encoding/errors.ts'
import { nodeAddresses } from './connection.ts'
import type { Context } from './context.ts'

/**
 * Starts a light peer; whoever calls it stops it (`await using`). `chainId` is the network that is expected, null where none is
 * known yet.
 * @throws EpioneError `not-running`, `unreachable`, `other-chain`; as createLightPeer
 */
export async function connect(context: Context, chainId: Uint8Array | null): Promise<LightPeer> {
  const nodes = await nodeAddresses(context)
  context.signal.throwIfAborted()
  try {
    return await createLightPeer({ nodes, ...(chainId === null ? {} : { chainId }), signal: context.signal })
  } catch (error) {
    if (errorCode(error) !== 'unreachable') throw error
    throw new EpioneError('unreachable', `no node answers at ${nodes.join(', ')}; name one that runs with --peer or EPIONE_PEER`, {
      cause: error,
    })
  }
}
