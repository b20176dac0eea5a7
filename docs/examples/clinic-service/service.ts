/**
 * A service of a clinic: `node service.ts clinic.json`.
 *
 * Every FHIR R4 document that appears in `inbox/` under the name `<folder id>.<anything>.json` is written into that folder and then moved to `done/`, beside
 * the custodians' signed receipts; what is refused goes to `failed/` with the reason. Consents of the folders are told on standard output, a line of JSON each.
 * It may be stopped or killed at any moment: a document leaves `inbox/` only once it is in the ledger, and events go on where they were.
 */
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  createLightPeer,
  encodeReceipts,
  errorCode,
  type FolderAddress,
  follow,
  type Label,
  type LightPeer,
  type Person,
  parseHex,
  personFromSeeds,
  putRecords,
  recordsFromFhir,
  toHex,
  waitUntilReady,
} from 'epione/client'

const LOOK_MS = 200
/** Codes that say that the network could not be reached or has no quorum: the document stays, and is tried again. */
const LATER: ReadonlySet<string> = new Set([
  'unreachable',
  'timeout',
  'connection-lost',
  'busy',
  'not-committed',
  'too-few-receipts',
  'stale',
  'behind',
])

/** `clinic.json`: bytes are in hex. It holds secrets. */
interface Settings {
  nodes: string[]
  chainId: string
  organisation: string
  role: string
  signingSeed: string
  sealingSeed: string
  folders: { id: string; label: Label; labelSalt: string }[]
}

const bytes = (hex: string): Uint8Array => parseHex(hex) as Uint8Array
const say = (line: Record<string, unknown>): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

async function main(path: string): Promise<void> {
  const home = dirname(resolve(path))
  const settings = JSON.parse(await readFile(path, 'utf8')) as Settings
  for (const name of ['inbox', 'done', 'failed']) await mkdir(join(home, name), { recursive: true })
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  const { signal } = stop

  await using peer = await createLightPeer({ nodes: settings.nodes, chainId: bytes(settings.chainId), signal })
  await waitUntilReady(peer, { signal })
  const person = personFromSeeds({
    organisation: bytes(settings.organisation),
    role: settings.role,
    signingSeed: bytes(settings.signingSeed),
    sealingSeed: bytes(settings.sealingSeed),
  })
  const folders = settings.folders.map(({ id, label, labelSalt }) => ({ id: bytes(id), label, labelSalt: bytes(labelSalt) }))
  say({ event: 'ready', height: (await peer.head({ signal })).asOf.height })
  try {
    await Promise.all([writeResults(peer, person, folders, home, signal), followConsents(peer, folders, home, signal)])
  } catch (error) {
    if (!signal.aborted) throw error
  }
  say({ event: 'stopped' })
}

async function writeResults(
  peer: LightPeer,
  person: Person,
  folders: readonly FolderAddress[],
  home: string,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    for (const name of (await readdir(join(home, 'inbox'))).filter(file => file.endsWith('.json')).sort()) {
      const from = join(home, 'inbox', name)
      try {
        const folder = folders.find(({ id }) => name.startsWith(`${toHex(id)}.`))
        if (folder === undefined) throw new Error('its name begins with no folder of this clinic')
        const { inputs } = await recordsFromFhir(await readFile(from))
        const { anchored, receipts, status } = await putRecords(peer, person, folder, inputs, { signal })
        await writeFile(join(home, 'done', `${basename(name, '.json')}.receipts`), encodeReceipts(receipts))
        await rename(from, join(home, 'done', name))
        say({ event: 'written', file: name, status, height: anchored.height })
      } catch (error) {
        if (signal.aborted) return
        const code = errorCode(error)
        say({ event: 'not-written', file: name, code })
        if (LATER.has(code)) continue
        await writeFile(join(home, 'failed', `${name}.txt`), `${error instanceof Error ? error.message : String(error)}\n`)
        await rename(from, join(home, 'failed', name))
      }
    }
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined)
  }
}

/**
 * Tells what becomes of consents. The number of the last event of each folder is kept, written before the next one is asked for: nothing is left out, and after
 * a kill in that very moment one line may come a second time, with the same number.
 */
async function followConsents(peer: LightPeer, folders: readonly FolderAddress[], home: string, signal: AbortSignal): Promise<void> {
  const path = join(home, 'events.json')
  const seen = JSON.parse(await readFile(path, 'utf8').catch(() => '{}')) as Record<string, number>
  const fromEvent = (folder: Uint8Array): number => (seen[toHex(folder)] ?? 0) + 1
  for await (const { folder, number, name, height } of follow(
    peer,
    folders.map(({ id }) => id),
    { fromEvent, signal },
  )) {
    if (name.startsWith('consents.')) say({ event: name, folder: toHex(folder), number, height })
    seen[toHex(folder)] = number
    await writeFile(`${path}.tmp`, JSON.stringify(seen))
    await rename(`${path}.tmp`, path)
  }
}

const [path] = process.argv.slice(2)
if (path === undefined) {
  process.stderr.write('usage: node service.ts clinic.json\n')
  process.exitCode = 2
} else {
  await main(path)
}
