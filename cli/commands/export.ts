/** `epione export` */
import { join, resolve } from 'node:path'
import { scanFolders } from '../../src/client/folders.ts'
import { equalBytes, toHex, utf8 } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { formatGenesis } from '../../src/node/genesis-file.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { beginExport, type ExportManifest, filesOf, hashFile, MANIFEST } from '../export-files.ts'
import { exportFolder, type FolderExport } from '../export-folder.ts'
import { indexPage } from '../export-index.ts'
import { count, formatBytes } from '../format.ts'
import { writePrivateFile } from '../private-file.ts'
import { createProgress } from '../progress.ts'
import { idBytes, withWallet } from '../wallet-session.ts'

export interface ExportOptions {
  out: string
  folder?: readonly string[]
}

/** What `--json` prints. */
export interface ExportResult {
  out: string
  folders: readonly {
    folder: string
    label: string
    versions: number
    incomplete: number
    failed: FolderExport['failed']
    accessEntry: string
  }[]
  files: number
  bytes: number
  /** Everything that the ledger has of these folders is in it. */
  complete: boolean
}

/** @returns exit code 5 where something could not be read: then the export has no manifest, and the same command goes on with it */
export async function exportAll(context: Context, options: ExportOptions): Promise<ExitCode> {
  const { signal, output } = context
  const dir = resolve(options.out)
  return await withWallet(context, async ({ peer, wallet }) => {
    const { folders: all } = await scanFolders(peer, wallet, { signal })
    const wanted = options.folder?.map(idBytes)
    const folders = wanted === undefined ? all : all.filter(({ id }) => wanted.some(one => equalBytes(one, id)))
    if (folders.length === 0 || (wanted !== undefined && folders.length < wanted.length)) {
      throw new EpioneError(
        'not-found',
        wanted === undefined ? 'This wallet owns no folders yet.' : 'This wallet does not own all of these folders.',
      )
    }
    await beginExport(dir)
    const created = peer.now()
    const progress = createProgress(context)
    const done: FolderExport[] = []
    try {
      for (const owned of folders) done.push(await exportFolder(context, { dir, peer, wallet, owned, progress }))
    } finally {
      progress.clear()
    }
    await writePrivateFile(join(dir, 'genesis.json'), [utf8(formatGenesis(peer.genesis))])
    await writePrivateFile(join(dir, 'index.html'), [
      utf8(
        indexPage(
          created,
          done.map(({ index }) => index),
        ),
      ),
    ])
    const complete = done.every(({ incomplete, failed }) => incomplete === 0 && failed.length === 0)
    const files: ExportManifest['files'] = []
    for (const path of await filesOf(dir)) {
      progress.show(() => `hashed ${count(files.length, 'file')}`)
      files.push({ path, ...(await hashFile(join(dir, path))) })
    }
    progress.clear()
    if (complete) {
      const manifest: ExportManifest = {
        schemaVersion: 1,
        chainId: toHex(peer.chainId),
        createdMs: created,
        folders: done.map(({ index }) => ({ folder: index.folder, label: index.label, author: index.author })),
        files,
      }
      await writePrivateFile(join(dir, MANIFEST), [utf8(`${JSON.stringify(manifest, null, 1)}\n`)])
    }
    const value: ExportResult = {
      out: dir,
      folders: done.map(({ index, versions, incomplete, failed, accessEntry }) => ({
        ...{ folder: index.folder, label: index.label, versions, incomplete, failed, accessEntry },
      })),
      files: files.length,
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      complete,
    }
    output.result(value, () => [
      `${count(done.length, 'folder')}, ${count(
        value.folders.reduce((sum, { versions }) => sum + versions, 0),
        'version',
      )}, ${count(value.files, 'file')} of ${formatBytes(value.bytes)}`,
      `begin with ${join(dir, 'index.html')}; check it with: epione export verify ${options.out}`,
    ])
    for (const { folder, failed, incomplete } of value.folders) {
      if (failed.length > 0)
        output.warn(`folder ${folder.slice(0, 16)}: ${count(failed.length, 'version')} could not be read (${failed[0]?.code})`)
      if (incomplete > 0) output.warn(`folder ${folder.slice(0, 16)}: too few custodians answered to say that all is here`)
    }
    if (!complete) output.warn('the export is not finished: give the same command again, and it goes on with what is missing')
    output.note('the files are not encrypted: whoever gets at them reads them')
    return complete ? EXIT.ok : EXIT.unhealthy
  })
}
