/** A witness for the validators of a testnet. */
import { homePaths } from '../../src/node/home.ts'
import type { Testnet } from '../launcher/testnet.ts'
import { Witness } from './witness.ts'

export function witnessOf(net: Testnet): Witness {
  const validators = net.nodes.flatMap(({ id, home, validator }, i) => {
    const consensusKey = net.genesis.organisations[i]?.consensusKey
    return validator && consensusKey ? [{ id, dir: homePaths(home).consensus, consensusKey }] : []
  })
  return new Witness(net.chainId, validators)
}
