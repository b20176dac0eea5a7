/** The one file of this folder that touches the platform: compression, and which addresses are dialled. */

import { promisify } from 'node:util'
import { constants, zstdCompress, zstdDecompress } from 'node:zlib'

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

/** Zstandard, level 3 (RFC 8878). */
export async function zstd(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await compress(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 3 } }))
}

/** Inverse of {@link zstd}; gives up above `maxBytes`, so that a small input cannot fill the memory. */
export async function unzstd(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  return new Uint8Array(await decompress(bytes, { maxOutputLength: Math.max(1, maxBytes) }))
}

/**
 * Of a peer's addresses those to dial from here: Node speaks TCP, and takes WebSockets where there is nothing else. A dial that
 * @libp2p/websockets 10.1.21 gives up leaves its socket open, and the process running, for five minutes.
 */
export function dialable(addresses: readonly string[]): string[] {
  const plain = addresses.filter(address => !/\/wss?(?:\/|$)/.test(address))
  return plain.length > 0 ? plain : [...addresses]
}
