/** `npm run bench`: a first table, over four validator processes on this machine. No targets: what it prints is what was seen. */

import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createTestnet } from '../launcher/testnet.ts'
import { measureLedger } from './ledger.ts'
import { measureRecords } from './records.ts'
import { type Row, table } from './table.ts'

const USAGE = `usage: npm run bench -- [--seed N] [--transactions N]

  --seed N          keys and content (default 1)
  --transactions N  transactions of the throughput run (default 4000)
`

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { seed: { type: 'string' }, transactions: { type: 'string' }, help: { type: 'boolean' } } })
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
  const dir = await mkdtemp(join(tmpdir(), 'epione-bench-'))
  progress('starting four validators')
  const net = await createTestnet({ dir, validators: 4, seed })
  try {
    const rows: Row[] = [
      ...(await measureLedger(net, { seed, transactions, progress })),
      ...(await measureRecords(net, { seed, progress })),
    ]
    const cpu = cpus()
    process.stdout.write(
      `\n4 validators in 4 processes, load from a fifth; fsync on, signatures on; ${cpu.length} cores (${cpu[0]?.model ?? 'unknown'}), Node ${process.version}, seed ${seed}\n\n${table(rows)}\n`,
    )
    return 0
  } finally {
    await net.stop()
    await rm(dir, { recursive: true, force: true })
  }
}

process.exit(await main())
