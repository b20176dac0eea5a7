/** What no fault excuses in a node's log. */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Testnet } from '../launcher/testnet.ts'

/** A conflicting signature, a lost log, a halt, an honest peer that was blamed. */
const FORBIDDEN =
  /double-sign|log-lost|consensus\.halted|wal-corrupt|guard-corrupt|execution-differs|a peer misbehaved|a validator misbehaved|uncaught|unhandled/i
/** A validator that starts for the first time after the chain began has signed nothing, and keeps silent for a few heights. */
const FIRST_START = '"code":"no-past"'
const SHOWN = 300

/** @param options.except nodes whose log may hold anything, and that may rightly be blamed in the others': liars */
export async function forbiddenLines(net: Testnet, options: { except?: readonly string[] } = {}): Promise<string[]> {
  const { except = [] } = options
  const blamed = except.length > 0 ? /double-sign|a peer misbehaved|a validator misbehaved/i : null
  const found: string[] = []
  for (const { id, log } of net.manifest.nodes) {
    if (except.includes(id)) continue
    for await (const line of createInterface({ input: createReadStream(log) })) {
      if (FORBIDDEN.test(line) && blamed?.test(line) !== true && !line.includes(FIRST_START))
        found.push(`${id}'s log: ${line.slice(0, SHOWN)}`)
    }
  }
  return found
}
