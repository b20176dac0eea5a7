/**
 * What a read says of an erased version. Whoever listed it before knows what its mark is made of, and asks the ledger by themselves: no
 * custodian has to tell, and whoever never could list it hears what they hear of what does not exist.
 */
import { erasureCodec, erasureMark } from '../contracts/records-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { toHex } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import type { VersionMeta } from '../fragments/formats.ts'
import { MAX_QUERY_KEYS } from '../network/light-messages.ts'
import type { AsOf, LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'

/** A version as it was listed or read. */
export interface KnownVersion {
  readonly meta: Pick<VersionMeta, 'salt' | 'leaf'>
}

/** An order to erase, proven by the state under a header that a quorum signed. */
export interface ProvenErasure {
  readonly mark: Uint8Array
  /** Height of the order. */
  readonly height: number
  readonly asOf: AsOf
}

/** The mark of a version. */
export function markOf({ meta: { salt, leaf } }: KnownVersion): Uint8Array {
  return erasureMark(salt, leaf.recordId, leaf.version)
}

/** Which of these marks the ledger has for a folder: proven present; of the others it is proven that they are absent. */
export async function proveErasures(
  peer: LightPeer,
  folder: Uint8Array,
  marks: readonly Uint8Array[],
  options: CallOptions = {},
): Promise<ProvenErasure[]> {
  const proven: ProvenErasure[] = []
  for (let at = 0; at < marks.length; at += MAX_QUERY_KEYS) {
    const page = marks.slice(at, at + MAX_QUERY_KEYS)
    const { values, asOf } = await peer.read(
      page.map(mark => stateKey.erasure(folder, mark)),
      options,
    )
    page.forEach((mark, i) => {
      const value = values[i] ?? null
      if (value !== null) proven.push({ mark, height: erasureCodec.decode(value), asOf })
    })
  }
  return proven
}

/** The error of a read of what was erased. */
export function erasedError({ mark, height, asOf }: ProvenErasure, cause?: unknown): EpioneError {
  return new EpioneError('erased', `This was erased by order of the folder's owner at height ${height}.`, {
    metadata: { mark: toHex(mark), height, asOfHeight: asOf.height, asOfTime: asOf.time },
    ...(cause === undefined ? {} : { cause }),
  })
}

/** In place of an error of a read: `erased` where the ledger proves that of one of the versions that were asked for. */
export async function erasedInstead(
  peer: LightPeer,
  folder: Uint8Array,
  versions: readonly KnownVersion[],
  error: unknown,
  options: CallOptions,
): Promise<unknown> {
  if (!['not-found', 'too-few-fragments'].includes(errorCode(error))) return error
  try {
    const [proven] = await proveErasures(peer, folder, versions.map(markOf), options)
    return proven === undefined ? error : erasedError(proven, error)
  } catch {
    options.signal?.throwIfAborted()
    return error
  }
}
