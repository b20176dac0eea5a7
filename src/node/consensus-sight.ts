/** What a node sees of how its network decides: for who watches it, and for nothing else. */
import { type ConsensusMessage, consensusMessageCodec } from '../consensus/messages.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'

export type ConsensusSight = {
  height: number
  round: number
  /** Account of the validator, hexadecimal. */
  validator: string
} & ({ type: 'proposal' } | { type: 'vote'; kind: 'prevote' | 'precommit'; forBlock: boolean })

/**
 * What a validator says in a frame about its own votes. The connection proves who sent it, so that no signature is verified again;
 * what it passes on of others is left out.
 * @param accountOf account of a validator by its key
 */
export function sightsOf(
  frame: Uint8Array,
  from: Uint8Array,
  accountOf: (consensusKey: Uint8Array) => Uint8Array | undefined,
): ConsensusSight[] {
  const account = accountOf(from)
  if (account === undefined) return []
  let message: ConsensusMessage
  try {
    message = consensusMessageCodec.decode(frame)
  } catch {
    return []
  }
  const validator = toHex(account)
  const { type, value } = message
  if (type === 'proposal') {
    const { height, round } = value
    return equalBytes(value.validator, from) ? [{ type: 'proposal', height, round, validator }] : []
  }
  const votes = type === 'vote' ? [value] : type === 'votes' ? value : []
  return votes
    .filter(vote => equalBytes(vote.validator, from))
    .map(({ height, round, kind, block }) => ({ type: 'vote', height, round, validator, kind, forBlock: block !== null }))
}
