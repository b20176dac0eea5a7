/** Reading the ends of log files, and following them as they grow. */
import { open, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** Bytes at the end of a log in which its last lines are looked for. */
const TAIL_BYTES = 1024 * 1024
/** Bytes that are read at a time of a log that is followed. */
const CHUNK_BYTES = 256 * 1024
const FOLLOW_MS = 200

async function readAt(path: string, from: number, length: number): Promise<Uint8Array> {
  const handle = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(new Uint8Array(length), 0, length, from)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0
}

/** The last lines of a file, fewer where they are very long; none where it is not there. */
export async function tailOf(path: string, lines: number): Promise<string[]> {
  const size = await sizeOf(path)
  if (size === 0 || lines === 0) return []
  const from = Math.max(0, size - TAIL_BYTES)
  const all = new TextDecoder().decode(await readAt(path, from, size - from)).split('\n')
  if (from > 0) all.shift()
  if (all.at(-1) === '') all.pop()
  return all.slice(-lines)
}

/** Hands on each line that is added to a file from now on, until the signal. */
export async function follow(path: string, onLine: (line: string) => void, signal: AbortSignal): Promise<void> {
  let at = await sizeOf(path)
  let rest = ''
  let decoder = new TextDecoder()
  while (!signal.aborted) {
    const size = await sizeOf(path)
    if (size < at) {
      // It was begun anew.
      at = 0
      rest = ''
      decoder = new TextDecoder()
    }
    if (size > at) {
      const bytes = await readAt(path, at, Math.min(size - at, CHUNK_BYTES))
      at += bytes.length
      const pieces = (rest + decoder.decode(bytes, { stream: true })).split('\n')
      rest = pieces.pop() ?? ''
      for (const line of pieces) onLine(line)
      if (bytes.length > 0) continue
    }
    await sleep(FOLLOW_MS, undefined, { signal }).catch(() => undefined)
  }
}
