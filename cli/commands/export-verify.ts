/** `epione export verify` */
import { join, resolve } from 'node:path'
import { decodeEvidence, judgeEvidenceOffline, MAX_EVIDENCE_BYTES } from '../../src/client/access-evidence.ts'
import {
  type CheckedVersion,
  checkVersion,
  commitsOf,
  decodeAnchors,
  isWholeSubmission,
  readAnchors,
  type VersionProof,
} from '../../src/client/export-proofs.ts'
import { believeOffline } from '../../src/client/state-evidence.ts'
import type { Checkpoint } from '../../src/client/trust.ts'
import { parseHex, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { readGenesis } from '../../src/node/genesis-file.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { exportedVersions, filesOf, folderDir, hashFile, readManifest } from '../export-files.ts'
import { readBytes } from '../files.ts'
import { count, formatInstant } from '../format.ts'
import { createProgress } from '../progress.ts'

export interface ExportVerifyOptions {
  genesis?: string
  checkpoint?: Checkpoint
}

/** What `--json` prints. */
export interface ExportVerifyResult {
  holds: boolean
  /** By which genesis document: the one that was named, or the one that came with the export, which proves no more than the export. */
  genesis: 'given' | 'exported'
  chainId: string
  files: number
  /** Files that are not what the manifest says, that are missing, or that it does not know. */
  changed: readonly string[]
  folders: readonly {
    folder: string
    /** The block that proves the anchors. */
    height: number
    timeMs: number
    versions: number
    submissions: number
    /** Submissions of which parts are missing, such as erased ones: their versions are signed by their authors, and their place is not shown. */
    partial: number
    accessEntries: number
    accessReceipts: number
    accessFlaws: number
  }[]
}

/** @returns exit code 7 where something is not what it says */
export async function exportVerify(context: Context, options: ExportVerifyOptions, folder: string): Promise<ExitCode> {
  const dir = resolve(folder)
  const manifest = await readManifest(dir)
  const progress = createProgress(context)
  const changed: string[] = []
  const known = new Map(manifest.files.map(file => [file.path, file]))
  for (const path of await filesOf(dir)) {
    const file = known.get(path)
    known.delete(path)
    progress.show(() => `checked ${count(manifest.files.length - known.size, 'file')}`)
    if (file === undefined || (await hashFile(join(dir, path))).sha256 !== file.sha256) changed.push(path)
  }
  changed.push(...known.keys())
  progress.clear()
  if (changed.length > 0) {
    throw new EpioneError(
      'export-changed',
      `${count(changed.length, 'file')} of the export ${changed.length === 1 ? 'is' : 'are'} not what was written, such as ${changed[0]}`,
      {
        metadata: { path: changed[0] as string, files: changed.length },
      },
    )
  }
  const genesis = await readGenesis(resolve(options.genesis ?? join(dir, 'genesis.json')))
  const folders: ExportVerifyResult['folders'][number][] = []
  const offline = { now: Date.now, ...(options.checkpoint === undefined ? {} : { checkpoint: options.checkpoint }) }
  for (const { folder: id } of manifest.folders) {
    const own = join(dir, folderDir(id))
    const anchorProofs = decodeAnchors(await readBytes(join(own, 'anchors.proof'), MAX_EVIDENCE_BYTES))
    if (toHex(anchorProofs.folder) !== id) throw new EpioneError('invalid-proof', 'The proofs are of another folder.')
    // A checkpoint is of one height; where the anchors are proven at another, genesis has to do.
    const commits = commitsOf(anchorProofs)
    const fits = commits.some(({ header }) => header.height === options.checkpoint?.height)
    const believe = believeOffline(genesis, { chainId: anchorProofs.chainId, known: commits }, fits ? offline : { now: Date.now })
    const { anchors, height, time } = await readAnchors(anchorProofs, believe)
    const bySubmission = new Map<string, { proof: VersionProof; leaf: CheckedVersion['leaf'] }[]>()
    const versions = await exportedVersions(own)
    for (const version of versions) {
      const { proof } = version
      const { header, leaf } = checkVersion(parseHex(id) as Uint8Array, proof)
      const { sha256 } = await hashFile(join(own, version.path))
      const anchor = anchors.get(proof.submission)
      const isRight =
        sha256 === toHex(header.contentHash) &&
        proof.submission === version.submission &&
        toHex(leaf.recordId) === version.record &&
        leaf.version === version.version &&
        anchor !== undefined &&
        toHex(anchor.author) === toHex(header.author.organisation)
      if (!isRight)
        throw new EpioneError(
          'invalid-proof',
          `${version.path} is not the version that its author committed to and that the ledger anchors.`,
        )
      bySubmission.set(proof.submission, [...(bySubmission.get(proof.submission) ?? []), { proof, leaf }])
    }
    let partial = 0
    for (const [root, parts] of bySubmission) if (!isWholeSubmission(root, parts)) partial++
    const evidence = decodeEvidence(await readBytes(join(own, 'access.evidence'), MAX_EVIDENCE_BYTES))
    if (toHex(evidence.folder) !== id) throw new EpioneError('invalid-proof', 'The access log is of another folder.')
    const report = await judgeEvidenceOffline(evidence, genesis, fits ? { now: Date.now } : offline)
    folders.push({
      ...{ folder: id, height, timeMs: time, versions: versions.length, submissions: bySubmission.size, partial },
      accessEntries: report.entries.length,
      accessReceipts: report.receipts.length,
      accessFlaws: report.flawed.length,
    })
  }
  const value: ExportVerifyResult = {
    holds: folders.every(({ accessFlaws }) => accessFlaws === 0),
    genesis: options.genesis === undefined ? 'exported' : 'given',
    chainId: manifest.chainId,
    files: manifest.files.length,
    changed,
    folders,
  }
  context.output.result(value, () => [
    `${value.holds ? 'holds' : 'does not hold'}: ${count(value.files, 'file')} as they were written ${formatInstant(manifest.createdMs)}`,
    ...folders.flatMap(one => [
      `folder ${one.folder.slice(0, 16)}: ${count(one.versions, 'version')} signed by their authors, ${count(one.submissions, 'submission')} anchored by block ${one.height} of ${formatInstant(one.timeMs)}`,
      ...(one.partial === 0
        ? []
        : [`  ${one.partial} of the submissions are here in parts: that their versions belong to them is not shown`]),
      `  ${count(one.accessEntries, 'line')} in the access log, ${count(one.accessReceipts, 'receipt')}, ${one.accessFlaws === 0 ? 'all covered' : `${one.accessFlaws} NOT covered`}`,
    ]),
  ])
  if (value.genesis === 'exported') {
    context.output.note(
      'checked by the genesis document that came with the export; name the one that you have from elsewhere with --genesis',
    )
  }
  return value.holds ? EXIT.ok : EXIT.integrity
}
