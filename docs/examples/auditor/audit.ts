/**
 * An auditor's check, without a network: `node audit.ts evidence.bin genesis.bin`.
 *
 * The evidence is a file that a patient exported (`epione access log --out`, or `encodeEvidence` of what `collectAccessEvidence` gives), the genesis document comes
 * from somewhere else. Exit code 0: every receipt is covered by a line of the log; 1: some are not; 2: the file proves nothing.
 */
import { readFile } from 'node:fs/promises'
import { decodeEvidence, EpioneError, genesisCodec, judgeEvidenceOffline, toHex } from 'epione/client'

async function main(evidencePath: string, genesisPath: string): Promise<number> {
  const evidence = decodeEvidence(await readFile(evidencePath))
  const genesis = genesisCodec.decode(await readFile(genesisPath))
  const report = await judgeEvidenceOffline(evidence, genesis, { now: Date.now })
  const say = (text: string): void => void process.stdout.write(`${text}\n`)
  say(`folder ${toHex(report.folder)}, all lines up to height ${report.height} (${new Date(report.time).toISOString()})`)
  for (const { entry, opening } of report.entries) {
    const organisation = entry.organisation === null ? 'the owner' : (report.nameOf(entry.organisation) ?? 'a former member')
    say(
      `${new Date(entry.time).toISOString()}  height ${entry.height}  ${organisation}  ${opening?.role ?? 'role unknown'}  ${opening?.purpose ?? 'purpose unknown'}`,
    )
  }
  for (const { name, code } of report.silent) say(`silent: ${name ?? 'a former member'} (${code})`)
  say(`${report.receipts.length} receipts of custodians, ${report.flawed.length} of them not covered`)
  return report.flawed.length === 0 ? 0 : 1
}

const [evidencePath, genesisPath] = process.argv.slice(2)
if (evidencePath === undefined || genesisPath === undefined) {
  process.stderr.write('usage: node audit.ts evidence.bin genesis.bin\n')
  process.exitCode = 2
} else {
  try {
    process.exitCode = await main(evidencePath, genesisPath)
  } catch (error) {
    if (!(error instanceof EpioneError)) throw error
    process.stderr.write(`${error.message} (${error.code})\n`)
    process.exitCode = 2
  }
}
