/** The page of a network for a testnet: built from the sources when it is first asked for, so that it is never an old one. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

let built: Promise<string> | undefined

/** Folder of the page. @throws what the build throws */
export async function testnetPage(): Promise<string> {
  built ??= build()
  built.catch(() => {
    built = undefined
  })
  return await built
}

async function build(): Promise<string> {
  // Loaded here, for most testnets are never looked at.
  const { buildNetworkPage } = await import('../package/network-page.ts')
  const folder = mkdtempSync(join(tmpdir(), 'epione-network-page-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  await buildNetworkPage(folder)
  return folder
}
