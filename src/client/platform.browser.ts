/** What `platform.ts` is in Node, for browsers: compression by WebAssembly, which is loaded when it is first needed, and addresses of WebSockets. */

import { openKeptValues } from './indexed-store.ts'
import type { Entries } from './platform.ts'

type Zstd = typeof import('@bokuweb/zstd-wasm')

/** As Node's: see `platform.ts`. */
const LEVEL = 3
/** Bytes of a frame's header at most (RFC 8878, section 3.1.1.1), with the magic number. */
const MAGIC = 0xfd2fb528

let loading: Promise<Zstd> | undefined

/** The module, which finds its `zstd.wasm` beside the script that it is bundled into. */
async function load(): Promise<Zstd> {
  loading ??= import('@bokuweb/zstd-wasm').then(async module => {
    await module.init()
    return module
  })
  loading.catch(() => {
    // The page may have been offline: the next one tries again.
    loading = undefined
  })
  return await loading
}

/** Zstandard, level 3 (RFC 8878). A frame does not name its dictionary: the object's header does, by the hash. */
export async function zstd(bytes: Uint8Array, dictionary?: Uint8Array): Promise<Uint8Array> {
  const module = await load()
  if (dictionary === undefined) return module.compress(bytes, LEVEL)
  const context = module.createCCtx()
  try {
    return withoutDictionaryId(module.compressUsingDict(context, bytes, dictionary, LEVEL))
  } finally {
    module.freeCCtx(context)
  }
}

/** Inverse of {@link zstd}; gives up above `maxBytes`, so that a small input cannot fill the memory. */
export async function unzstd(bytes: Uint8Array, maxBytes: number, dictionary?: Uint8Array): Promise<Uint8Array> {
  const size = contentSize(bytes)
  if (size !== undefined && size > maxBytes) throw new RangeError('the content is longer than it may be')
  const module = await load()
  // Of a frame that does not say how long its content is, so much room is made and no more.
  const options = { defaultHeapSize: Math.max(1, maxBytes) }
  if (dictionary === undefined) return module.decompress(bytes, options)
  const context = module.createDCtx()
  try {
    return module.decompressUsingDict(context, bytes, dictionary, options)
  } finally {
    module.freeDCtx(context)
  }
}

/** Entries in a database of the page's origin, each under its name: as Node's, see `platform.ts`. Tabs share it; whoever has two send from one of them. */
export async function openEntries(database: string): Promise<Entries> {
  const kept = await openKeptValues(database)
  return {
    names: async () => await kept.names(),
    load: async name => ((await kept.get(name)) as Uint8Array | undefined) ?? null,
    save: async (name, bytes) => await kept.set(name, bytes),
    remove: async name => await kept.delete(name),
    close: async () => kept.close(),
  }
}

/** Browsers dial WebSockets alone. A page that came by https may dial `wss` alone, which the browser sees to. */
export function dialable(addresses: readonly string[]): string[] {
  return addresses.filter(address => /\/wss?(?:\/|$)/.test(address))
}

interface FrameHeader {
  /** Where the dictionary's id is, and how long. */
  idAt: number
  idLength: number
  /** Bytes of the content, where the frame says so. */
  size: number | undefined
}

/** Header of a frame (RFC 8878, section 3.1.1.1). @throws RangeError where it is none */
function readHeader(bytes: Uint8Array): FrameHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.getUint32(0, true) !== MAGIC) throw new RangeError('not a frame of Zstandard')
  const descriptor = view.getUint8(4)
  const isSingle = (descriptor & 0x20) !== 0
  const idAt = isSingle ? 5 : 6
  const idLength = [0, 1, 2, 4][descriptor & 3] as number
  const at = idAt + idLength
  const flag = descriptor >> 6
  const size =
    flag === 3
      ? Number(view.getBigUint64(at, true))
      : flag === 2
        ? view.getUint32(at, true)
        : flag === 1
          ? view.getUint16(at, true) + 256
          : isSingle
            ? view.getUint8(at)
            : undefined
  return { idAt, idLength, size }
}

function contentSize(bytes: Uint8Array): number | undefined {
  return readHeader(bytes).size
}

/** The frame without the id of its dictionary, which would tell what kind of content it is: what Node's compressor leaves out by itself. */
function withoutDictionaryId(frame: Uint8Array): Uint8Array {
  const { idAt, idLength } = readHeader(frame)
  if (idLength === 0) return frame
  const out = new Uint8Array(frame.length - idLength)
  out.set(frame.subarray(0, idAt))
  out.set(frame.subarray(idAt + idLength), idAt)
  out[4] = (out[4] as number) & ~3
  return out
}
