/** Writes all of one folder into an export. */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { collectAccessEvidence, encodeEvidence, judgeEvidence } from '../src/client/access-evidence.ts'
import { auditEventsOf } from '../src/client/audit-events.ts'
import { listConsents } from '../src/client/consents.ts'
import { listDisputes } from '../src/client/disputes.ts'
import { collectAnchors, encodeAnchors, proofOf } from '../src/client/export-proofs.ts'
import {
  bundleFromVersions,
  FHIR_MANIFEST_MEDIA_TYPE,
  FHIR_MEDIA_TYPE,
  type FhirVersion,
  loadDescriber,
} from '../src/client/fhir-records.ts'
import type { OwnedFolder, Wallet } from '../src/client/folders.ts'
import { type ListedVersion, listVersions, type ReadVersion, readVersions, submissionsOf } from '../src/client/get.ts'
import type { LightPeer } from '../src/client/light-peer.ts'
import { openOwnSession } from '../src/client/session.ts'
import { concat, equalBytes, toHex, utf8 } from '../src/encoding/bytes.ts'
import { errorCode } from '../src/encoding/errors.ts'
import { type AccessLine, lineOfLog } from './access-lines.ts'
import type { Context } from './context.ts'
import { type ExportedVersion, exportedVersions, folderDir, noteVersion, writeHashed } from './export-files.ts'
import type { IndexFolder } from './export-index.ts'
import { count, printable } from './format.ts'
import { granteeWords, provisionWords } from './plain-consent.ts'
import { writePrivateFile } from './private-file.ts'
import type { Progress } from './progress.ts'

/** Longest resource that is described, and longest document that is put together, in bytes. */
const MAX_DESCRIBED_BYTES = 16 * 1024 * 1024
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024

export interface FolderExport {
  readonly index: IndexFolder
  readonly versions: number
  /** Submissions of which too few custodians answered to say that all is here. */
  readonly incomplete: number
  /** Versions that could not be read, and why. */
  readonly failed: readonly { record: string; version: number; code: string }[]
  readonly accessEntry: string
}

export interface FolderExportInput {
  readonly dir: string
  readonly peer: LightPeer
  readonly wallet: Wallet
  readonly owned: OwnedFolder
  readonly progress: Progress
}

export async function exportFolder(context: Context, input: FolderExportInput): Promise<FolderExport> {
  const { peer, wallet, owned, progress } = input
  const { signal } = context
  const relative = folderDir(toHex(owned.id))
  const dir = join(input.dir, relative)
  await mkdir(join(dir, 'records'), { recursive: true, mode: 0o700 })
  await mkdir(join(dir, 'documents'), { recursive: true, mode: 0o700 })
  const session = await openOwnSession(peer, wallet, owned, { signal })
  const listing = await listVersions(peer, session, { signal })

  const before = await exportedVersions(dir)
  const isHere = (listed: ListedVersion): boolean =>
    before.some(
      one => one.record === toHex(listed.recordId) && one.version === listed.version && one.submission === toHex(listed.submission.root),
    )
  const missing = listing.versions.filter(listed => !isHere(listed))
  const versions = [...before]
  const failed: FolderExport['failed'][number][] = []
  const describe = await loadDescriber()
  for (const group of bySubmission(missing)) {
    try {
      for await (const version of readVersions(peer, session, group, { signal })) {
        progress.show(() => `folder ${toHex(owned.id).slice(0, 8)}: ${versions.length} of ${listing.versions.length} versions`)
        const exported = await writeVersion(dir, version, describe)
        await noteVersion(dir, exported)
        versions.push(exported)
      }
    } catch (error) {
      signal.throwIfAborted()
      const left = group.filter(listed => !versions.some(one => one.record === toHex(listed.recordId) && one.version === listed.version))
      failed.push(...left.map(({ recordId, version }) => ({ record: toHex(recordId), version, code: errorCode(error) })))
    }
  }
  const documents = await writeDocuments(dir, versions)
  const roots = (await submissionsOf(peer, owned.id, { signal })).map(({ root }) => root)
  await writePrivateFile(join(dir, 'anchors.proof'), [encodeAnchors(await collectAnchors(peer, owned.id, roots, { signal }))])
  const said = await writePapers(context, dir, input)
  const members = await peer.members({ signal })
  const author = members.find(({ id }) => equalBytes(id, owned.folder.author))?.organisation.name ?? toHex(owned.folder.author)
  const about = {
    folder: toHex(owned.id),
    label: owned.label,
    author,
    epoch: owned.folder.epoch,
    policy: peer.parameters.policies[owned.folder.policy]?.name ?? null,
  }
  await writeJson(join(dir, 'folder.json'), about)
  return {
    index: { folder: about.folder, label: about.label, author, dir: relative.replaceAll('\\', '/'), versions, documents, ...said },
    versions: versions.length,
    incomplete: listing.incomplete.length,
    failed,
    accessEntry: toHex(session.entryId),
  }
}

async function writeJson(path: string, value: unknown): Promise<void> {
  const text = JSON.stringify(value, (_, one: unknown) => (one instanceof Uint8Array ? toHex(one) : one), 2)
  await writePrivateFile(path, [utf8(`${text}\n`)])
}

function bySubmission(versions: readonly ListedVersion[]): ListedVersion[][] {
  const groups = new Map<string, ListedVersion[]>()
  for (const version of versions) {
    const root = toHex(version.submission.root)
    groups.set(root, [...(groups.get(root) ?? []), version])
  }
  return [...groups.values()]
}

async function writeVersion(
  dir: string,
  version: ReadVersion,
  describe: Awaited<ReturnType<typeof loadDescriber>>,
): Promise<ExportedVersion> {
  const { listed, header } = version
  const record = toHex(listed.recordId)
  const isJson = header.mediaType === FHIR_MEDIA_TYPE || header.mediaType === FHIR_MANIFEST_MEDIA_TYPE
  const path = `records/${record.slice(0, 32)}-v${listed.version}-${toHex(listed.submission.root).slice(0, 8)}.${isJson ? 'json' : extensionOf(header.mediaType)}`
  let title = header.resourceType === '' ? `File, ${header.mediaType}` : header.resourceType
  let pieces = version.content
  if (header.mediaType === FHIR_MEDIA_TYPE && header.size <= MAX_DESCRIBED_BYTES) {
    const parts: Uint8Array[] = []
    for await (const part of version.content) parts.push(Uint8Array.from(part))
    const bytes = concat(...parts)
    try {
      ;({ title } = describe(bytes))
    } catch {
      // What cannot be described goes under its type.
    }
    pieces = once(bytes)
  }
  const written = await writeHashed(join(dir, path), pieces)
  return {
    record,
    version: listed.version,
    submission: toHex(listed.submission.root),
    class: listed.class,
    dataTimeMs: listed.dataTime,
    writtenMs: header.time,
    author: toHex(header.author.organisation),
    role: header.author.role,
    mediaType: header.mediaType,
    kind: header.kind,
    title: printable(title),
    path,
    ...written,
    proof: proofOf(version),
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

const EXTENSIONS: Readonly<Record<string, string>> = {
  'application/pdf': 'pdf',
  'application/dicom': 'dcm',
  'application/xml': 'xml',
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'text/html': 'txt',
  'text/plain': 'txt',
}
const extensionOf = (mediaType: string): string => EXTENSIONS[mediaType] ?? 'bin'

/** Bundles as they were submitted, put together from their parts. */
async function writeDocuments(dir: string, versions: readonly ExportedVersion[]): Promise<string[]> {
  const paths: string[] = []
  for (const root of new Set(versions.map(({ submission }) => submission))) {
    const parts = versions.filter(one => one.submission === root)
    const total = parts[0]?.proof.total ?? 0
    const fhir = parts.filter(({ mediaType, kind }) => kind === 'manifest' || mediaType === FHIR_MEDIA_TYPE)
    if (total < 2 || fhir.length === 0 || fhir.reduce((sum, { bytes }) => sum + bytes, 0) > MAX_DOCUMENT_BYTES) continue
    const read: FhirVersion[] = await Promise.all(
      fhir.map(async ({ path, proof, mediaType, kind }) => ({
        leaf: proof.leaf,
        header: { kind, mediaType },
        bytes: new Uint8Array(await readFile(join(dir, path))),
      })),
    )
    const path = `documents/${root.slice(0, 32)}.json`
    await writePrivateFile(join(dir, path), [(await bundleFromVersions(read, total)).bytes])
    paths.push(path)
  }
  return paths
}

/** Consents, disputes and the access log with its evidence. */
async function writePapers(
  { signal }: Context,
  dir: string,
  { peer, wallet, owned, progress }: FolderExportInput,
): Promise<Pick<IndexFolder, 'consents' | 'disputes' | 'looks'>> {
  const members = await peer.members({ signal })
  const consents = await listConsents(peer, wallet, owned, { signal })
  await writeJson(
    join(dir, 'consents.json'),
    consents.map(({ id, line, provision, note }) => ({ consent: id, ...line, note, provision })),
  )
  const disputes = await listDisputes(peer, wallet, owned, { signal })
  await writeJson(
    join(dir, 'disputes.json'),
    disputes.map(({ id, line, shown, statement, reason }) => ({
      ...{ dispute: id, ...line, statement, reason },
      record: shown?.opening.recordId ?? null,
      version: shown?.opening.version ?? null,
    })),
  )
  progress.show(() => `folder ${toHex(owned.id).slice(0, 8)}: the access log`)
  const { log, evidence } = await collectAccessEvidence(peer, wallet, owned, { signal })
  const lines = log.entries.map(logged => lineOfLog(logged, consents, new Map()))
  const report = await judgeEvidence(evidence, async commit => await peer.verifyCommit(commit, { signal }))
  const names = new Map(lines.map(({ id, reader }) => [id, reader?.name ?? null]))
  await writePrivateFile(join(dir, 'access.evidence'), [encodeEvidence(evidence)])
  await writeJson(join(dir, 'access.fhir.json'), await auditEventsOf(report, { reader: ({ id }) => names.get(toHex(id)) ?? null }))
  return {
    consents: consents.map(({ line, provision, note }) =>
      provision === null
        ? `A consent that is ${line.status}; no custodian that answered has its terms.`
        : `${line.status === 'active' ? '' : 'Taken back: '}${printable(granteeWords(provision.grantee, note, members))} ${printable(provisionWords(provision, members))}`,
    ),
    disputes: disputes.map(({ line, statement, reason }) =>
      printable(`${line.status}: ${statement ?? 'the statement is not here'}${reason === null ? '' : ` — refused because: ${reason}`}`),
    ),
    looks: lines.map(look),
  }
}

function look({ timeMs, reader, organisation, purpose, released }: AccessLine): IndexFolder['looks'][number] {
  const { records, listed } = released
  return {
    timeMs,
    who: printable(reader?.name ?? (reader === null ? 'not known' : `key ${reader.key.slice(0, 16)}`)),
    role: reader?.role ?? '',
    organisation: printable(organisation?.name ?? ''),
    purpose: purpose ?? '',
    what: records > 0 ? count(records, 'record') : listed ? 'the list alone' : 'nothing',
  }
}
