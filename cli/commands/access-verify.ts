/** `epione access verify` */
import { resolve } from 'node:path'
import { decodeEvidence, judgeEvidenceOffline, MAX_EVIDENCE_BYTES } from '../../src/client/access-evidence.ts'
import type { Checkpoint } from '../../src/client/trust.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { type AccessFindings, findingLines, findingsOf } from '../access-findings.ts'
import { type AccessLine, accessTable, lineOfEvidence } from '../access-lines.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { readBytes } from '../files.ts'
import { formatInstant } from '../format.ts'
import { knownGenesis } from '../known-genesis.ts'

export interface AccessVerifyOptions {
  genesis?: string
  checkpoint?: Checkpoint
}

/** What `--json` prints. */
export interface AccessVerifyResult extends AccessFindings {
  folder: string
  collectedAtMs: number
  lines: readonly AccessLine[]
}

/** @returns exit code 7 where a receipt is not covered */
export async function accessVerify(context: Context, options: AccessVerifyOptions, file: string): Promise<ExitCode> {
  const bytes = await readBytes(resolve(file), MAX_EVIDENCE_BYTES)
  const genesis = await knownGenesis(context, options.genesis)
  if (genesis === null) throw new EpioneError('genesis-missing', 'the genesis document of the network is not here; name it with --genesis')
  const { checkpoint } = options
  const report = await judgeEvidenceOffline(decodeEvidence(bytes), genesis, {
    now: Date.now,
    ...(checkpoint === undefined ? {} : { checkpoint }),
  })
  const findings = findingsOf(report, Math.floor((genesis.parameters.n - 1) / 3))
  const lines = report.entries.map(entry => lineOfEvidence(entry, report.nameOf))
  const value: AccessVerifyResult = { ...findings, folder: toHex(report.folder), collectedAtMs: report.collectedAt, lines }
  context.output.result(value, () => [
    `folder ${value.folder}, collected ${formatInstant(report.collectedAt)}`,
    '',
    ...accessTable(lines),
    '',
    ...findingLines(findings),
  ])
  return findings.holds ? EXIT.ok : EXIT.integrity
}
