/** `control.json`: where the process that minds a testnet is reached, with the token. Readable by its owner alone. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

const noteSchema = z.strictObject({
  url: z.string(),
  token: z.string(),
  /** The process, and when it began (see processStart). */
  process: z.strictObject({ pid: z.int().min(1), start: z.string() }),
})

export type ControlNote = z.infer<typeof noteSchema>

export function controlPaths(dir: string): { note: string; log: string; history: string } {
  return { note: join(dir, 'control.json'), log: join(dir, 'control.log'), history: join(dir, 'acts.jsonl') }
}

/** Null where there is none, or none that can be read. */
export function readControlNote(dir: string): ControlNote | null {
  try {
    return noteSchema.parse(JSON.parse(readFileSync(controlPaths(dir).note, 'utf8')))
  } catch {
    return null
  }
}

export function writeControlNote(dir: string, note: ControlNote): void {
  const path = controlPaths(dir).note
  writeFileSync(`${path}.tmp`, `${JSON.stringify(note)}\n`, { mode: 0o600 })
  renameSync(`${path}.tmp`, path)
}

export function removeControlNote(dir: string): void {
  rmSync(controlPaths(dir).note, { force: true })
}
