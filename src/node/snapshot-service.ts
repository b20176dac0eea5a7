/** Hands snapshots, headers, and blocks with their receipts to members that join or that are far behind. */
import { toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import type { Certificate } from '../ledger/certificate.ts'
import type { ValidatorSet } from '../ledger/header.ts'
import { manifestCodec, manifestId } from '../ledger/snapshot.ts'
import type { SnapshotStore } from '../ledger/snapshot-store.ts'
import type { Network } from '../network/network.ts'
import { MAX_SNAPSHOT_RESPONSE, PROTOCOL } from '../network/protocols.ts'
import {
  headsCodec,
  MAX_HEAD_SETS,
  MAX_SNAPSHOTS,
  receiptBlocksCodec,
  type SnapshotRequest,
  snapshotChunkCodec,
  snapshotListCodec,
  snapshotManifestCodec,
  snapshotRequestCodec,
} from '../network/validator-messages.ts'
import type { Chain } from './chain.ts'
import { servePeer } from './malformed.ts'

const REQUEST_TIMEOUT_MS = 20_000
/** Longest answers of headers and of blocks, in bytes; one block is always given whole. */
export const HEADS_BYTES = 4 * 1024 * 1024
export const BLOCKS_BYTES = 4 * 1024 * 1024

/** Bytes that a header with its certificate counts for. */
export function headBytes(certificate: Certificate): number {
  return 512 + 112 * certificate.signatures.length
}

export interface SnapshotServiceDependencies {
  chain: Chain
  network: Network
  snapshots: SnapshotStore
}

export class SnapshotService {
  readonly #deps: SnapshotServiceDependencies

  constructor(dependencies: SnapshotServiceDependencies) {
    this.#deps = dependencies
  }

  async start(): Promise<void> {
    const { network } = this.#deps
    await network.handle(
      PROTOCOL.snapshot,
      'members',
      async (request, { peer }) => await servePeer(network, peer, async () => await this.#answer(snapshotRequestCodec.decode(request))),
      { maxRequest: 64, maxResponse: MAX_SNAPSHOT_RESPONSE, timeoutMs: REQUEST_TIMEOUT_MS, maxStreams: 8 },
    )
  }

  async #answer(request: SnapshotRequest): Promise<Uint8Array> {
    const { snapshots } = this.#deps
    switch (request.type) {
      case 'list': {
        const newest = snapshots.heights().slice(-MAX_SNAPSHOTS)
        return snapshotListCodec.encode({
          snapshots: newest.flatMap(height => {
            const manifest = snapshots.manifest(height)
            return manifest === undefined ? [] : [{ height, id: manifestId(manifest) }]
          }),
        })
      }
      case 'manifest': {
        const manifest = snapshots.manifest(request.value.height)
        if (manifest === undefined) throw notHeld()
        return snapshotManifestCodec.encode({ manifest: manifestCodec.encode(manifest) })
      }
      case 'chunk': {
        const chunk = await snapshots.chunk(request.value.height, request.value.index)
        if (chunk === undefined) throw notHeld()
        return snapshotChunkCodec.encode({ chunk })
      }
      case 'heads':
        return await this.#heads(request.value.from, request.value.limit)
      case 'blocks':
        return await this.#blocks(request.value.from, request.value.limit)
    }
  }

  async #heads(from: number, limit: number): Promise<Uint8Array> {
    const { chain } = this.#deps
    const heads = []
    const sets = new Map<string, ValidatorSet>()
    let size = 0
    for (let height = Math.max(1, from); height < from + limit; height++) {
      const stored = await chain.store.header(height)
      if (stored === undefined || stored.certificate === null) break
      const { header, certificate } = stored
      const name = toHex(header.validatorsHash)
      if (!sets.has(name)) {
        const set = await chain.validatorSet(header.validatorsHash)
        if (set === undefined || sets.size === MAX_HEAD_SETS) break
        sets.set(name, set)
        size += 48 * set.validators.length
      }
      size += headBytes(certificate)
      if (heads.length > 0 && size > HEADS_BYTES) break
      heads.push({ header, certificate })
    }
    return headsCodec.encode({ heads, sets: [...sets.values()] })
  }

  async #blocks(from: number, limit: number): Promise<Uint8Array> {
    const { store } = this.#deps.chain
    const blocks = []
    let size = 0
    for (let height = Math.max(1, from); height < from + limit; height++) {
      const block = await store.block(height)
      if (block === undefined) break
      const receipts = await store.receipts(height)
      size += [...block.transactions, ...receipts].reduce((sum, bytes) => sum + bytes.length, 0)
      if (blocks.length > 0 && size > BLOCKS_BYTES) break
      blocks.push({ transactions: block.transactions, receipts })
    }
    return receiptBlocksCodec.encode({ blocks })
  }
}

function notHeld(): EpioneError {
  return new EpioneError('not-found', 'This snapshot is not held here, or not any more.')
}
