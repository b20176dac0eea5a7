/**
 * The receipts of a write, kept by the author: who signed that they have it on disk, and the ledger's proofs of whose keys these are,
 * who had to hold it, and that it is anchored. Anybody can check it offline who knows the network's genesis document.
 */

import { folderCodec } from '../contracts/folders-formats.ts'
import { signedByAt } from '../contracts/member-signatures.ts'
import type { Genesis } from '../contracts/members-formats.ts'
import { accountCodec, custodiansCodec } from '../contracts/members-formats.ts'
import { type AnchorBody, anchorBodyCodec, anchorCodec } from '../contracts/records-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { compareBytes, equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { byteString, codec, hash32, type Infer, integer, list, nullable, struct } from '../encoding/schema.ts'
import { storageReceiptBytes, storageReceiptCodec } from '../fragments/formats.ts'
import { place } from '../fragments/placement.ts'
import { verifyKey } from '../ledger/state-proof.ts'
import { queryResponseCodec } from '../network/light-messages.ts'
import { fromBase64Url, toBase64Url } from './base64url.ts'
import type { Committed, LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { TrustedHeaders } from './trust.ts'
import type { SignedReceipt } from './upload.ts'

const receiptSetCodec = codec(
  struct({
    version: integer(1, 1),
    chainId: hash32,
    /** What was anchored: body of the ledger's `records.anchor`. */
    body: byteString(256),
    receipts: list(struct({ receipt: byteString(256), signature: byteString(64, 64) }), 48),
    /** The transaction that anchored it, and the height of its block. */
    transaction: hash32,
    height: integer(),
    /** A node's answer with a certified header and proofs of the keys of {@link evidenceKeys}; null where none could be had. */
    evidence: nullable(byteString(4 * 1024 * 1024)),
  }),
  5 * 1024 * 1024,
)
export type ReceiptSet = Infer<typeof receiptSetCodec>

const PREFIX = 'epione-receipts:'

/** Storage receipts with their proofs as one file, for `checkReceiptsOffline` and `checkReceiptsOnline`. */
export function encodeReceipts(set: ReceiptSet): string {
  return PREFIX + toBase64Url(receiptSetCodec.encode(set))
}

/** Inverse of {@link encodeReceipts}. @throws EpioneError `bad-receipts` */
export function decodeReceipts(value: string): ReceiptSet {
  try {
    if (!value.startsWith(PREFIX)) throw new Error('prefix')
    const set = receiptSetCodec.decode(fromBase64Url(value.slice(PREFIX.length)))
    anchorBodyCodec.decode(set.body)
    for (const { receipt } of set.receipts) storageReceiptCodec.decode(receipt)
    return set
  } catch (error) {
    throw new EpioneError(
      'bad-receipts',
      'These are no storage receipts; a file of them begins with "epione-receipts:" and is written by `epione record put`.',
      { cause: error },
    )
  }
}

/** Custodians that signed, each once, in the order of their ids. */
function signers(receipts: readonly SignedReceipt[]): Uint8Array[] {
  const ids = new Map(
    receipts.map(({ receipt }) => {
      const { custodian } = storageReceiptCodec.decode(receipt)
      return [toHex(custodian), custodian]
    }),
  )
  return [...ids.values()].sort(compareBytes)
}

/** What of the state it takes to check a set, in the order in which it is proven. */
function evidenceKeys(body: AnchorBody, ids: readonly Uint8Array[]): Uint8Array[] {
  return [
    stateKey.submission(body.folder, body.submissionRoot),
    stateKey.folder(body.folder),
    stateKey.custodians(body.memberHeight),
    ...ids.map(id => stateKey.account(id)),
  ]
}

/**
 * The receipts with the ledger's proofs. Where no node gives these, the set says so, for the write itself is done.
 * @throws what the signal says, where that ends the wait
 */
export async function collectEvidence(
  peer: Pick<LightPeer, 'chainId' | 'prove'>,
  written: { body: Uint8Array; receipts: SignedReceipt[]; anchored: Committed },
  options: CallOptions,
): Promise<ReceiptSet> {
  const { body, receipts, anchored } = written
  const keys = evidenceKeys(anchorBodyCodec.decode(body), signers(receipts))
  const evidence = await peer.prove(keys, options).catch(() => {
    options.signal?.throwIfAborted()
    return null
  })
  return {
    version: 1,
    chainId: peer.chainId,
    body,
    receipts,
    transaction: anchored.receipt.transaction,
    height: anchored.height,
    evidence,
  }
}

/** One receipt of a set, judged. */
export interface CheckedReceipt {
  readonly custodian: Uint8Array
  readonly name: string
  readonly index: number
  readonly bytes: number
  /** When it was signed, by the custodian's clock, in ms. */
  readonly time: number
  /** What is wrong with it, or null. */
  readonly flaw: 'unknown-member' | 'wrong-place' | 'other-submission' | 'bad-signature' | null
}

/** What a set of receipts is worth, by what the ledger proves. */
export interface CheckedReceipts {
  /** Whether the ledger has the anchor as the set says. */
  readonly anchored: boolean
  /** Height of the anchor's block, as the ledger says. */
  readonly anchorHeight: number | null
  readonly receipts: readonly CheckedReceipt[]
  /** Different custodians, each of its own place, with a good signature. */
  readonly good: number
  readonly needed: number
  readonly n: number
  readonly k: number
  /** All of the above holds: the ledger has the anchor, and n - f custodians signed. */
  readonly holds: boolean
  /** The header that proves it. */
  readonly height: number
  readonly time: number
}

/** Judges a set by values of the state at its {@link evidenceKeys}. */
function judge(
  set: ReceiptSet,
  policies: Genesis['parameters']['policies'],
  ids: readonly Uint8Array[],
  proven: { values: readonly (Uint8Array | null)[]; height: number; time: number },
): CheckedReceipts {
  const body = anchorBodyCodec.decode(set.body)
  const [anchorValue, folderValue, custodiansValue, ...accounts] = proven.values
  const anchor = anchorValue == null ? null : anchorCodec.decode(anchorValue)
  const anchored =
    anchor !== null &&
    anchor.epoch === body.epoch &&
    anchor.n === body.n &&
    anchor.k === body.k &&
    anchor.memberHeight === body.memberHeight &&
    anchor.sizeBucket === body.sizeBucket
  const folder = folderValue == null ? null : folderCodec.decode(folderValue)
  const policy = folder === null ? null : (policies[folder.policy]?.jurisdictions ?? null)
  const placed =
    custodiansValue == null || folder === null
      ? []
      : place({ key: body.submissionRoot, custodians: custodiansCodec.decode(custodiansValue), n: body.n, k: body.k, policy }).custodians
  const members = new Map(
    ids.flatMap((id, i) => {
      const value = accounts[i]
      return value == null ? [] : [[toHex(id), accountCodec.decode(value)] as const]
    }),
  )
  const good = new Set<number>()
  const receipts = set.receipts.map(({ receipt: bytes, signature }): CheckedReceipt => {
    const receipt = storageReceiptCodec.decode(bytes)
    const member = members.get(toHex(receipt.custodian))
    const here = placed[receipt.index]
    const flaw =
      member === undefined
        ? ('unknown-member' as const)
        : here === undefined || !equalBytes(here.id, receipt.custodian)
          ? ('wrong-place' as const)
          : !equalBytes(receipt.chainId, set.chainId) || !equalBytes(receipt.submissionRoot, body.submissionRoot)
            ? ('other-submission' as const)
            : signedByAt(member, anchor?.height ?? Number.MAX_SAFE_INTEGER, storageReceiptBytes(receipt), signature)
              ? null
              : ('bad-signature' as const)
    if (flaw === null) good.add(receipt.index)
    const { custodian, index, time } = receipt
    return { custodian, name: member?.organisation.name ?? '', index, bytes: receipt.bytes, time, flaw }
  })
  const needed = body.n - Math.floor((body.n - 1) / 3)
  const { height, time } = proven
  return {
    anchored,
    anchorHeight: anchor?.height ?? null,
    receipts,
    good: good.size,
    needed,
    n: body.n,
    k: body.k,
    holds: anchored && good.size >= needed,
    height,
    time,
  }
}

/**
 * Checks a set by its own proofs, without asking anybody.
 * @throws EpioneError `other-chain`, `no-evidence`, and as TrustedHeaders where the header is not to be believed from this genesis alone:
 * `unanchored` where it is too old, `untrusted-validators` where the validators have changed too much since
 */
export async function checkReceiptsOffline(set: ReceiptSet, genesis: Genesis, now: () => number): Promise<CheckedReceipts> {
  const trust = new TrustedHeaders({ genesis, now })
  if (!equalBytes(trust.chainId, set.chainId)) throw new EpioneError('other-chain', 'The receipts are of another network.')
  if (set.evidence === null) throw new EpioneError('no-evidence', 'No proofs of the ledger were kept with these receipts; ask a node.')
  const { commit, proofs } = queryResponseCodec.decode(set.evidence)
  const header = await trust.verify(commit, async () => {
    throw new EpioneError('untrusted-validators', 'The validators have changed too much since genesis to believe this header offline.')
  })
  const ids = signers(set.receipts)
  const keys = evidenceKeys(anchorBodyCodec.decode(set.body), ids)
  const values = keys.map((key, i) => {
    const proof = proofs[i]
    if (proof === undefined) throw new EpioneError('invalid-proof', 'The proofs that were kept with the receipts are not all there.')
    return verifyKey(header.stateRoot, key, proof)
  })
  return judge(set, genesis.parameters.policies, ids, { values, height: header.height, time: header.time })
}

/** Checks a set by what the ledger proves now. @throws EpioneError `other-chain`, and as {@link LightPeer.read} */
export async function checkReceiptsOnline(peer: LightPeer, set: ReceiptSet, options: CallOptions = {}): Promise<CheckedReceipts> {
  if (!equalBytes(peer.chainId, set.chainId)) throw new EpioneError('other-chain', 'The receipts are of another network.')
  const ids = signers(set.receipts)
  const { values, asOf } = await peer.read(evidenceKeys(anchorBodyCodec.decode(set.body), ids), options)
  return judge(set, peer.parameters.policies, ids, { values, height: asOf.height, time: asOf.time })
}

/** What a failed check says of itself. */
export function checkFailure(error: unknown): { code: string; message: string } {
  return { code: errorCode(error), message: error instanceof Error ? error.message : String(error) }
}
