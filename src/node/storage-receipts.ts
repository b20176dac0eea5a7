/** Whether custodians have signed for enough fragments of a submission that it may be anchored. */
import { anchorBodyCodec } from '../contracts/records-formats.ts'
import { verifySignature } from '../crypto/signature.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { storageReceiptBytes, storageReceiptCodec } from '../fragments/formats.ts'
import { place } from '../fragments/placement.ts'
import type { Chain } from './chain.ts'
import { custodiansAt, type Directory } from './directory.ts'
import { policyOf } from './folder-facts.ts'

/** Oldest storage receipt on which an anchor is signed, in ms: staging lasts an hour, and committing takes its time. */
const MAX_RECEIPT_AGE_MS = 40 * 60 * 1000

export interface ReceiptDependencies {
  chain: Chain
  directory: Directory
  now: () => number
}

/**
 * An anchor is signed only where n - f custodians signed that they have their fragments on disk.
 * @throws EpioneError `stale-members`, `too-few-receipts`
 */
export function requireReceipts(
  { chain, directory, now }: ReceiptDependencies,
  bodyBytes: Uint8Array,
  receipts: readonly { receipt: Uint8Array; signature: Uint8Array }[],
): void {
  const body = anchorBodyCodec.decode(bodyBytes)
  const custodians = custodiansAt(chain.tip.tree, body.memberHeight)
  if (custodians === undefined) throw new EpioneError('stale-members', 'The set of custodians has changed; place the fragments again.')
  const placed = place({
    key: body.submissionRoot,
    custodians,
    n: body.n,
    k: body.k,
    policy: policyOf(chain.tip.tree, body.folder),
  }).custodians
  const good = new Set<number>()
  for (const { receipt: bytes, signature } of receipts) {
    const receipt = storageReceiptCodec.decode(bytes)
    // Custodians drop what is not anchored within the hour: an old receipt is worth nothing any more.
    if (receipt.time < now() - MAX_RECEIPT_AGE_MS) continue
    const custodian = directory.byId(receipt.custodian)
    const expected = placed[receipt.index]
    if (custodian === undefined || expected === undefined || !equalBytes(expected.id, receipt.custodian)) continue
    if (!equalBytes(receipt.chainId, chain.chainId) || !equalBytes(receipt.submissionRoot, body.submissionRoot)) continue
    if (verifySignature(custodian.organisation.signingKey, storageReceiptBytes(receipt), signature)) good.add(receipt.index)
  }
  const needed = body.n - Math.floor((body.n - 1) / 3)
  if (good.size < needed) {
    throw new EpioneError(
      'too-few-receipts',
      `Only ${good.size} of ${body.n} custodians signed that they stored it; ${needed} are needed. Nothing was anchored.`,
      { metadata: { receipts: good.size, needed } },
    )
  }
}
