/** The validators of the next height, each with what this node knows of it. */
import type { EngineStatus } from '../consensus/application.ts'
import { proposerAt } from '../consensus/proposer.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import type { Network } from '../network/network.ts'
import type { Chain } from './chain.ts'
import type { ValidatorFacts } from './diagnosis.ts'
import type { Directory } from './directory.ts'
import type { PeerStatusService } from './peer-status.ts'

export interface ValidatorStatus extends Omit<ValidatorFacts, 'differs'> {
  jurisdiction: string
}

export interface ValidatorSources {
  chain: Chain
  directory: Directory
  network: Network
  peerStatus: PeerStatusService
}

/** Rounds that are looked at for proposers that failed. */
const MAX_ROUNDS = 64

export function validatorName(directory: Directory, consensusKey: Uint8Array): string {
  return directory.byConsensusKey(consensusKey)?.organisation.name ?? toHex(consensusKey).slice(0, 8)
}

/**
 * @param ownKey this node's consensus key
 * @param ownSilentThrough height through which this node keeps silent; -1 for none
 */
export function validatorFacts(
  { chain, directory, network, peerStatus }: ValidatorSources,
  engine: EngineStatus | undefined,
  ownKey: Uint8Array,
  ownSilentThrough: number,
): (ValidatorFacts & { jurisdiction: string })[] {
  const connected = new Set(network.peers({ membersOnly: true }).flatMap(peer => (peer.connected ? [toHex(peer.networkKey)] : [])))
  const { tip } = chain
  const { height } = tip.header
  return tip.validators.next.validators.map(({ publicKey, power }) => {
    const member = directory.byConsensusKey(publicKey)
    const self = equalBytes(publicKey, ownKey)
    const votes = engine?.votes.find(vote => equalBytes(vote.validator, publicKey))
    const said = self || member === undefined ? undefined : peerStatus.get(member.organisation.networkKey)
    return {
      name: validatorName(directory, publicKey),
      jurisdiction: member?.organisation.jurisdiction ?? '',
      power,
      connected: self || (member !== undefined && connected.has(toHex(member.organisation.networkKey))),
      self,
      prevote: votes?.prevote ?? false,
      precommit: votes?.precommit ?? false,
      height: self ? height : (said?.height ?? null),
      differs: said?.height === height ? !equalBytes(said.tip, tip.hash) : null,
      clockOffsetMs: self ? 0 : (said?.clock?.offsetMs ?? null),
      clockUncertaintyMs: self ? 0 : (said?.clock?.uncertaintyMs ?? null),
      lastSeenMs: self ? 0 : said === undefined ? null : Math.round(said.ageMs),
      silentThrough: self ? ownSilentThrough : (said?.silentThrough ?? -1),
    }
  })
}

/** Names of the proposers of the rounds before the present one, the newest rounds first, each once. */
export function failedProposers({ chain, directory }: Pick<ValidatorSources, 'chain' | 'directory'>, engine: EngineStatus): string[] {
  const { next } = chain.tip.validators
  if (engine.height !== chain.tip.header.height + 1) return []
  const names = new Set<string>()
  for (let round = engine.round - 1; round >= Math.max(0, engine.round - MAX_ROUNDS); round--) {
    names.add(validatorName(directory, proposerAt(next, engine.height, round).publicKey))
  }
  return [...names]
}
