/**
 * How quick and how right custodians were, over runs: `custodians.json` in the home. The next read begins with the best. It may be
 * deleted at any time, and a read never fails because of it.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Standings } from '../src/client/standings.ts'
import { readBoundedFile } from '../src/node/config-file.ts'
import { writePrivateFile } from './private-file.ts'

const MAX_BYTES = 1024 * 1024
const time = z.number().min(0)
const schema = z
  .array(
    z.strictObject({
      custodian: z.string().regex(/^[0-9a-f]{64}$/),
      name: z.string().max(1024),
      firstByteMs: time.nullable(),
      msPerByte: time.nullable(),
      cost: time,
      at: time,
    }),
  )
  .max(1024)

const bookPath = (home: string): string => join(home, 'custodians.json')

/** Tells a light peer what earlier runs saw. */
export async function recallCustodians(home: string, standings: Standings): Promise<void> {
  try {
    const text = await readBoundedFile(bookPath(home), MAX_BYTES)
    if (text !== null) standings.remember(schema.parse(JSON.parse(text)))
  } catch {
    // A damaged book is worth nothing, and the next run writes another.
  }
}

export async function noteCustodians(home: string, standings: Standings): Promise<void> {
  try {
    await mkdir(home, { recursive: true, mode: 0o700 })
    await writePrivateFile(bookPath(home), [new TextEncoder().encode(JSON.stringify(standings.memory()))])
  } catch {
    // Where the home cannot be written, every run begins anew.
  }
}
