/** `running.json` in a home: where the node of this home is to be found while it runs. */
import { rename, rm, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import { readBoundedFile } from './config-file.ts'
import { processStart } from './process-start.ts'

const MAX_BYTES = 64 * 1024

const runningSchema = z.strictObject({
  version: z.literal(1),
  pid: z.int().min(1),
  /** When the process began, as processStart tells it. */
  start: z.string(),
  startedAt: z.string(),
  /** In hex. */
  chainId: z.string().regex(/^[0-9a-f]{64}$/),
  peerId: z.string(),
  /** Addresses with the peer's id. */
  addresses: z.array(z.string()).max(64),
})
export type Running = z.infer<typeof runningSchema>

export async function writeRunning(path: string, value: Pick<Running, 'chainId' | 'peerId' | 'addresses'>): Promise<void> {
  const running: Running = {
    version: 1,
    pid: process.pid,
    start: (await processStart(process.pid)) ?? 'unknown',
    startedAt: new Date().toISOString(),
    ...value,
  }
  const temporary = `${path}.${process.pid}.tmp`
  await writeFile(temporary, `${JSON.stringify(running, null, 2)}\n`, { mode: 0o600 })
  await rename(temporary, path)
}

export async function removeRunning(path: string): Promise<void> {
  await rm(path, { force: true })
}

/** The node that runs in a home, or null where none does: no file, or one that a killed node left behind. */
export async function readRunning(path: string): Promise<Running | null> {
  const text = await readBoundedFile(path, MAX_BYTES)
  if (text === null) return null
  try {
    const running = runningSchema.parse(JSON.parse(text))
    return (await processStart(running.pid)) === running.start ? running : null
  } catch {
    return null
  }
}
