/**
 * Checkpoints as text: a header that organisations vouch for, for a device that starts from it instead of genesis, or that was off for longer than the
 * trusting period. It is public and opens nothing; what counts is who gave it.
 */
import { equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { codec, hash32, type Infer, integer, struct } from '../encoding/schema.ts'
import { headerHash } from '../ledger/header.ts'
import { fromBase64Url, toBase64Url } from './base64url.ts'
import type { LightPeer, MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { WITNESSES_NEEDED } from './trust.ts'

const PREFIX = 'epione-checkpoint:'
const checkpointCodec = codec(struct({ version: integer(1, 1), chainId: hash32, height: integer(), headerHash: hash32 }), 256)

/** A checkpoint of a chain, as it is written down. */
export type WrittenCheckpoint = Omit<Infer<typeof checkpointCodec>, 'version'>

/** A checkpoint as text for a file, a page or a QR code. */
export function encodeCheckpoint({ chainId, height, headerHash: hash }: WrittenCheckpoint): string {
  return PREFIX + toBase64Url(checkpointCodec.encode({ version: 1, chainId, height, headerHash: hash }))
}

/** Inverse of {@link encodeCheckpoint}. @throws EpioneError `bad-checkpoint` */
export function decodeCheckpoint(text: string): WrittenCheckpoint {
  try {
    const trimmed = text.trim()
    if (!trimmed.startsWith(PREFIX)) throw new Error('prefix')
    const { chainId, height, headerHash: hash } = checkpointCodec.decode(fromBase64Url(trimmed.slice(PREFIX.length)))
    return { chainId, height, headerHash: hash }
  } catch (error) {
    throw new EpioneError(
      'bad-checkpoint',
      'This is not a checkpoint; one begins with "epione-checkpoint:" and is printed by `epione checkpoint`.',
      { cause: error },
    )
  }
}

/** A checkpoint with those who vouch for it. */
export interface VouchedCheckpoint extends WrittenCheckpoint {
  /** Time of the header, in ms. */
  readonly time: number
  /** Members whose nodes, each asked for itself, showed this very header. */
  readonly vouchers: readonly MemberInfo[]
}

/**
 * The header of a height, verified, and which members' nodes show the same.
 * @param options.height the newest where it is left out
 * @throws EpioneError `unvouched` where fewer than two organisations do, `conflicting-headers` where they show others that a quorum signed
 */
export async function vouchedCheckpoint(peer: LightPeer, options: CallOptions & { height?: number } = {}): Promise<VouchedCheckpoint> {
  const header = options.height === undefined ? (await peer.head(options)).header : await peer.headerAt(options.height, options)
  const { height, time } = header
  const hash = headerHash(header)
  const shown = await peer.witnesses(height, options)
  const members = await peer.members(options)
  const vouchers = members.filter(({ status, organisation }) =>
    shown.some(each => status === 'active' && equalBytes(each.networkKey, organisation.networkKey) && equalBytes(each.headerHash, hash)),
  )
  if (vouchers.length < WITNESSES_NEEDED) {
    throw new EpioneError(
      'unvouched',
      `Only ${vouchers.length} members' nodes show this header of height ${height}, and ${WITNESSES_NEEDED} are needed; give addresses of more nodes.`,
      { metadata: { height } },
    )
  }
  return { chainId: peer.chainId, height, headerHash: hash, time, vouchers }
}
