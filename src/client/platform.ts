/** The one file of this folder that touches the platform: compression, and which addresses are dialled. */

import { promisify } from 'node:util'
import { constants, zstdCompress, zstdDecompress } from 'node:zlib'

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

/** Zstandard, level 3 (RFC 8878). A frame does not name its dictionary: the object's header does, by the hash. */
export async function zstd(bytes: Uint8Array, dictionary?: Uint8Array): Promise<Uint8Array> {
  const params = { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_dictIDFlag]: 0 }
  return new Uint8Array(await compress(bytes, { params, ...(dictionary === undefined ? {} : { dictionary }) }))
}

/** Inverse of {@link zstd}; gives up above `maxBytes`, so that a small input cannot fill the memory. */
export async function unzstd(bytes: Uint8Array, maxBytes: number, dictionary?: Uint8Array): Promise<Uint8Array> {
  const options = { maxOutputLength: Math.max(1, maxBytes), ...(dictionary === undefined ? {} : { dictionary }) }
  return new Uint8Array(await decompress(bytes, options))
}

/**
 * Of a peer's addresses those to dial from here: Node speaks TCP, and takes WebSockets where there is nothing else. A dial that
 * @libp2p/websockets 10.1.21 gives up leaves its socket open, and the process running, for five minutes.
 */
export function dialable(addresses: readonly string[]): string[] {
  const plain = addresses.filter(address => !/\/wss?(?:\/|$)/.test(address))
  return plain.length > 0 ? plain : [...addresses]
}
