/** What a folder's owner says is wrong with a version, as it comes with the version, and what its author said to that. */
import {
  type Dispute,
  type DisputeOpening,
  disputeCodec,
  disputeCommitment,
  disputeId,
  disputeOpeningCodec,
  reasonHash,
  sealedReasonCodec,
  statementCodec,
  statementHash,
} from '../contracts/disputes-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import type { SealingOpener } from '../crypto/sealing.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { sealingContext } from '../fragments/formats.ts'
import { MAX_QUERY_KEYS, type ShownDispute } from '../network/light-messages.ts'
import type { LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'

/** A dispute that the ledger has, with what custodians show of it. */
export interface VersionDispute {
  readonly id: Uint8Array
  /** The ledger's line: open, accepted or refused, since when and until when. */
  readonly line: Dispute
  readonly opening: DisputeOpening
  /** As custodians keep them: see {@link readDispute}. */
  readonly sealedStatement: Uint8Array
  readonly sealedReason: Uint8Array | null
}

/** What a custodian shows, where it fits the folder and names itself rightly. */
export function openingOf(folder: Uint8Array, shown: ShownDispute): DisputeOpening | undefined {
  const opening = disputeOpeningCodec.decode(shown.opening)
  const fits = equalBytes(opening.folder, folder) && equalBytes(disputeId(folder, disputeCommitment(opening)), shown.dispute)
  return fits ? opening : undefined
}

/** Those of the disputes that the ledger has; a custodian can make up any other. */
export async function provenDisputes(
  peer: LightPeer,
  folder: Uint8Array,
  shown: readonly ShownDispute[],
  options: CallOptions = {},
): Promise<VersionDispute[]> {
  // One custodian may keep a reason that another lacks.
  const byId = new Map<string, ShownDispute>()
  for (const one of shown) {
    const known = byId.get(toHex(one.dispute))
    if (known === undefined || known.reason === null) byId.set(toHex(one.dispute), one)
  }
  const all = [...byId.values()]
  const proven: VersionDispute[] = []
  for (let at = 0; at < all.length; at += MAX_QUERY_KEYS) {
    const page = all.slice(at, at + MAX_QUERY_KEYS)
    const { values } = await peer.read(
      page.map(({ dispute }) => stateKey.dispute(folder, dispute)),
      options,
    )
    for (const [i, one] of page.entries()) {
      const opening = openingOf(folder, one)
      const value = values[i]
      if (opening === undefined || value === null || value === undefined) continue
      proven.push({ id: one.dispute, line: disputeCodec.decode(value), opening, sealedStatement: one.statement, sealedReason: one.reason })
    }
  }
  return proven
}

/**
 * Statement and reason in words; null where the key does not open them, or where they are not what the ledger commits to.
 * @param keyOf opens what was sealed to the folder in an epoch
 */
export async function readDispute(
  chainId: Uint8Array,
  { id, line, opening, sealedStatement, sealedReason }: VersionDispute,
  keyOf: (epoch: number) => Promise<SealingOpener | undefined> | SealingOpener | undefined,
): Promise<{ statement: string | null; reason: string | null }> {
  const { folder, recordId, version, salt, epoch } = opening
  const open = async (of: number, sealed: Uint8Array, context: { info: Uint8Array; aad: Uint8Array }): Promise<string | null> => {
    try {
      const key = await keyOf(of)
      return key === undefined ? null : statementCodec.decode(key.open(sealed, context)).text
    } catch {
      return null
    }
  }
  const statement = await open(epoch, sealedStatement, sealingContext.statement(chainId, folder, recordId, version))
  const isReason =
    sealedReason !== null && line.status === 'refused' && line.answer !== null && equalBytes(reasonHash(sealedReason), line.answer)
  const reasonIn = async (bytes: Uint8Array): Promise<string | null> => {
    const { epoch: of, sealed } = sealedReasonCodec.decode(bytes)
    return await open(of, sealed, sealingContext.reason(chainId, folder, id))
  }
  return {
    statement: statement !== null && equalBytes(statementHash(salt, statement), opening.statementHash) ? statement : null,
    reason: isReason ? await reasonIn(sealedReason) : null,
  }
}
