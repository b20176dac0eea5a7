/**
 * How quick and how right custodians were, over runs: `custodians.json` in the home. The next read begins with the best, and what is
 * counted goes on. It may be deleted at any time, and a read never fails because of it.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { noOutcomes, OUTCOMES, type Standings } from '../src/client/standings.ts'
import { readBoundedFile } from '../src/node/config-file.ts'
import { writePrivateFile } from './private-file.ts'

const MAX_BYTES = 1024 * 1024
const time = z.number().min(0)
// Counts came later than the file: an older one has none.
const count = z.number().int().min(0).default(0)
const outcomes = z.strictObject(Object.fromEntries(OUTCOMES.map(name => [name, count])) as Record<(typeof OUTCOMES)[number], typeof count>)
const schema = z
  .array(
    z.strictObject({
      custodian: z.string().regex(/^[0-9a-f]{64}$/),
      name: z.string().max(1024),
      firstByteMs: time.nullable(),
      msPerByte: time.nullable(),
      cost: time,
      at: time,
      servedBytes: count,
      asked: count,
      outcomes: outcomes.default(noOutcomes()),
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
