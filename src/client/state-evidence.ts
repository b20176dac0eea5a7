/** Values of the state with what proves them, to be kept in a file and checked later without a network. */
import type { Genesis } from '../contracts/members-formats.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { byteString, type Infer, list, struct } from '../encoding/schema.ts'
import type { Header } from '../ledger/header.ts'
import { verifyKey } from '../ledger/state-proof.ts'
import { type Commit, MAX_QUERY_KEYS, queryResponseCodec } from '../network/light-messages.ts'
import type { LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { type Checkpoint, TrustedHeaders } from './trust.ts'

/** Answers of nodes, each with the keys that were asked for. */
export const stateEvidenceSchema = list(
  struct({ keys: list(byteString(127, 1), MAX_QUERY_KEYS, 1), answer: byteString(4 * 1024 * 1024) }),
  1024,
  1,
)
export type StateEvidence = Infer<typeof stateEvidenceSchema>

/** Gives the header of a commit, or refuses it. */
export type Believe = (commit: Commit) => Promise<Header>

/** Proofs of these keys in the newest states that nodes show: as many answers as it takes. */
export async function collectProofs(
  peer: LightPeer,
  keys: readonly Uint8Array[],
  options: CallOptions & { onProgress?: (done: number, total: number) => void } = {},
): Promise<StateEvidence> {
  const proofs: StateEvidence = []
  for (let at = 0; at < keys.length; at += MAX_QUERY_KEYS) {
    options.onProgress?.(at, keys.length)
    const page = keys.slice(at, at + MAX_QUERY_KEYS)
    proofs.push({ keys: page, answer: await peer.prove(page, options) })
  }
  return proofs
}

/** The values by their keys' hex, and the headers that prove them, in the order of the answers. @throws EpioneError `invalid-proof` */
export async function readProofs(
  evidence: StateEvidence,
  believe: Believe,
): Promise<{ values: Map<string, Uint8Array | null>; headers: Header[] }> {
  const values = new Map<string, Uint8Array | null>()
  const headers: Header[] = []
  for (const { keys, answer } of evidence) {
    const { commit, proofs } = queryResponseCodec.decode(answer)
    const header = await believe(commit)
    headers.push(header)
    for (const [i, key] of keys.entries()) {
      const proof = proofs[i]
      if (proof === undefined) throw new EpioneError('invalid-proof', 'The proofs that were kept are not all there.')
      values.set(toHex(key), verifyKey(header.stateRoot, key, proof))
    }
  }
  return { values, headers }
}

/**
 * Believes commits offline: by the genesis document, or by a header among `known` that the caller trusts.
 * @throws EpioneError `other-chain`, `unanchored`, `invalid-header`
 */
export function believeOffline(
  genesis: Genesis,
  of: { chainId: Uint8Array; known: readonly Commit[] },
  options: { now: () => number; checkpoint?: Checkpoint },
): Believe {
  const trust = new TrustedHeaders({ genesis, now: options.now })
  if (!equalBytes(trust.chainId, of.chainId)) throw new EpioneError('other-chain', 'This is of another network than the genesis document.')
  const { checkpoint } = options
  if (checkpoint !== undefined) {
    const anchor = of.known.find(({ header }) => header.height === checkpoint.height)
    if (anchor === undefined) {
      const heights = of.known.map(({ header }) => header.height)
      throw new EpioneError('unanchored', `There is no header of height ${checkpoint.height} in it; it stands on that of ${heights[0]}.`)
    }
    trust.anchor(anchor, checkpoint)
  }
  return async commit =>
    await trust.verify(commit, async () => {
      throw new EpioneError('untrusted-validators', 'The validators have changed too much since to believe this header offline.')
    })
}
