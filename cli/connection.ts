/** A light peer for a command: connected to the nodes that it names, or to the node of the home. */
import { createLightPeer, type LightPeer } from '../src/client/light-peer.ts'
import { EpioneError, errorCode } from '../src/encoding/errors.ts'
import { homePaths } from '../src/node/home.ts'
import { readRunning } from '../src/node/running.ts'
import type { Context } from './context.ts'
import { homeOf, peerAddresses } from './home.ts'

/** Addresses of the nodes to speak to. @throws EpioneError `not-running` where none is named and the home's node does not run */
export async function nodeAddresses(context: Context): Promise<readonly string[]> {
  const named = peerAddresses(context)
  if (named !== null) return named
  const home = homeOf(context)
  const running = await readRunning(homePaths(home).running)
  if (running === null) {
    throw new EpioneError('not-running', `the node of ${home} does not run; start it with "epione start", or name a node with --peer`)
  }
  return running.addresses
}

/** A light peer that takes the network's genesis from the node that it reaches: for what a node tells of itself. */
export async function connectForReports(context: Context): Promise<LightPeer> {
  const nodes = await nodeAddresses(context)
  try {
    return await createLightPeer({ nodes, signal: context.signal })
  } catch (error) {
    if (errorCode(error) !== 'unreachable') throw error
    throw new EpioneError('unreachable', `no node answers at ${nodes.join(', ')}`, { cause: error })
  }
}
