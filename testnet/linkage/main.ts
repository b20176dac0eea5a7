/** `npm run linkage`: how well somebody who has the whole ledger tells which folders are one person's. */
import { parseArgs } from 'node:util'
import { formatTable, runLinkage } from './linkage.ts'

const USAGE = `usage: npm run linkage -- [--people N] [--days N] [--seed S]

  Lives two lives of a network twice, with and without the measures that keep acts apart, and attacks the second with what was learnt from the first.
`

function main(): number {
  const options = { people: { type: 'string' }, days: { type: 'string' }, seed: { type: 'string' }, help: { type: 'boolean' } } as const
  const { values } = parseArgs({ options })
  if (values.help === true) {
    process.stdout.write(USAGE)
    return 0
  }
  const input = { people: Number(values.people ?? 400), days: Number(values.days ?? 30), seed: Number(values.seed ?? 1) }
  const result = runLinkage(input)
  process.stdout.write(formatTable(input, result))
  return result.every(({ within }) => within) ? 0 : 1
}

process.exitCode = main()
