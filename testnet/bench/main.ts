/** `npm run bench`: a first table, over four validator processes on this machine. No targets: what it prints is what was seen. */

import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createTestnet, type Testnet } from '../launcher/testnet.ts'
import { measureConsent } from './consent.ts'
import { measureEmergency } from './emergency.ts'
import { measureFirstRecord } from './first-record.ts'
import { measureLedger } from './ledger.ts'
import { measureLight } from './light.ts'
import { measureLightPeers } from './light-peers.ts'
import { AUDIT_WINDOW_MS, measureDispersal, measureRecords } from './records.ts'
import { type Row, table } from './table.ts'

const USAGE = `usage: npm run bench -- [--seed N] [--transactions N] [--records | --consent | --emergency | --light | --light-peers | --first-record]

  --seed N          keys and content (default 1)
  --transactions N  transactions of the throughput run (default 4000)
  --consent         instead, grants and revocations to their effect, and new keys of folders of 10 and 10,000 records
  --records         instead, records of 10 kB to 100 MB over 4 and 7 custodians, which takes some minutes
  --emergency       instead, from breaking the glass to the first byte
  --light           instead, light verification over 10,000 and 1,000,000 heights, in Node and in a browser, and proofs of the state
  --first-record    instead, from the start of a process and of a page to the first record
  --light-peers     instead, a thousand light peers on one node: what each costs it (Linux)
`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      transactions: { type: 'string' },
      records: { type: 'boolean' },
      consent: { type: 'boolean' },
      emergency: { type: 'boolean' },
      light: { type: 'boolean' },
      'light-peers': { type: 'boolean' },
      'first-record': { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  if (values.help === true) {
    process.stdout.write(USAGE)
    return 0
  }
  const seed = Number(values.seed ?? 1)
  const transactions = Number(values.transactions ?? 4000)
  if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(transactions) || transactions < 100) {
    process.stderr.write(USAGE)
    return 2
  }
  const progress = (text: string): void => void process.stderr.write(`${text}\n`)
  if (values.light === true) {
    const rows = await measureLight({ seed, progress })
    process.stdout.write(`\n${machine()}, seed ${seed}; medians\n\n${table(rows)}\n`)
    return 0
  }
  const dir = await mkdtemp(join(tmpdir(), 'epione-bench-'))
  if (values['light-peers'] === true || values['first-record'] === true) {
    const measure = values['light-peers'] === true ? measureLightPeers : measureFirstRecord
    try {
      const rows = await measure(join(dir, 'light'), { seed, progress })
      process.stdout.write(`\n${machine()}, seed ${seed}\n\n${table(rows)}\n`)
      return 0
    } finally {
      await rm(dir, { recursive: true, force: true })
    }
  }
  if (values.records === true) {
    try {
      const rows = await measureDispersal(custodians => join(dir, String(custodians)), { seed, progress })
      process.stdout.write(`\neach custodian a process, load from one more; ${machine()}, seed ${seed}\n\n${table(rows)}\n`)
      return 0
    } finally {
      await rm(dir, { recursive: true, force: true })
    }
  }
  // A network for each half: the anchors of the first are of submissions that nobody has, and custodians look for these to repair them.
  const measure = async (name: string, act: (net: Testnet) => Promise<Row[]>): Promise<Row[]> => {
    progress('starting four validators')
    const net = await createTestnet({ dir: join(dir, name), validators: 4, seed, auditWindowMs: AUDIT_WINDOW_MS })
    try {
      return await act(net)
    } finally {
      await net.stop()
    }
  }
  try {
    const rows: Row[] =
      values.consent === true
        ? await measure('consent', async net => await measureConsent(net, { seed, progress }))
        : values.emergency === true
          ? await measure('emergency', async net => await measureEmergency(net, { seed, progress }))
          : [
              ...(await measure('ledger', async net => await measureLedger(net, { seed, transactions, progress }))),
              ...(await measure('records', async net => await measureRecords(net, { seed, progress }))),
            ]
    process.stdout.write(
      `\n4 validators in 4 processes, load from a fifth; fsync on, signatures on, audited as in earnest; ${machine()}, seed ${seed}\n\n${table(rows)}\n`,
    )
    return 0
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

function machine(): string {
  const cpu = cpus()
  return `${cpu.length} cores (${cpu[0]?.model ?? 'unknown'}), Node ${process.version}`
}

process.exit(await main())
