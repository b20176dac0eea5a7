/** A testnet that outlives the program that started it, seen and stopped from its folder alone. */
import { rm, rmdir } from 'node:fs/promises'
import { homePaths } from '../../src/node/home.ts'
import { readRunning } from '../../src/node/running.ts'
import type { NodeStatus } from '../../src/node/status.ts'
import { controlPaths } from '../control/note.ts'
import { removeObservations } from '../control/observations.ts'
import { stopControl } from '../control/remote.ts'
import { linkPortsPath } from '../faults/link-ports.ts'
import { type ManifestNode, manifestPath, readManifest, requireManifest, writeManifest } from './manifest.ts'
import { createProbe } from './probe.ts'
import { isRunning, stopProcess } from './processes.ts'

export interface StoppedNode {
  id: string
  pid: number
  /** Whether it stopped by itself; it was killed otherwise. */
  byItself: boolean
}

/**
 * Ends every node of the testnet in a folder, also of one whose starter crashed. A process that has the id of an ended node but is
 * another is left alone.
 * @param options.clean removes what the testnet made, too, and the folder where nothing else is in it
 * @returns null where the folder holds no testnet
 * @throws EpioneError `config-invalid` where net.json cannot be understood, `node-failed` where a process does not end
 */
export async function stopTestnet(dir: string, options: { clean?: boolean } = {}): Promise<StoppedNode[] | null> {
  const manifest = readManifest(dir)
  if (manifest === null) return null
  // First, for it starts nodes.
  await stopControl(dir)
  const stopped = (await Promise.all(manifest.nodes.map(stopNode))).flat()
  for (const node of manifest.nodes) node.process = null
  if (options.clean !== true) {
    writeManifest(manifest)
    return stopped
  }
  for (const { home } of manifest.nodes) await rm(home, { recursive: true, force: true })
  // The manifest goes last: after an interruption the rest can still be found and removed.
  removeObservations(dir)
  const { log, history } = controlPaths(dir)
  for (const path of [log, history, linkPortsPath(dir), manifest.genesis, manifest.passphraseFile, manifestPath(dir)])
    await rm(path, { force: true })
  await rmdir(dir).catch(() => undefined)
  return stopped
}

/**
 * Ends the nodes that a failed start has started, and what minds them where nothing ran before.
 * @param before ids of the processes of then, null where none ran
 */
export async function stopStarted(dir: string, before: readonly (number | null)[]): Promise<void> {
  const manifest = readManifest(dir)
  if (manifest === null) return
  if (before.every(pid => pid === null)) {
    await stopTestnet(dir)
    return
  }
  await Promise.all(manifest.nodes.map(async (node, index) => (before[index] === null ? await stopNode(node) : [])))
}

async function stopNode(node: ManifestNode): Promise<StoppedNode[]> {
  // What the node says of itself stands in for a note that its starter could not write any more.
  const running = await readRunning(homePaths(node.home).running).catch(() => null)
  const known = running === null ? [] : [{ pid: running.pid, start: running.start, startedAt: running.startedAt }]
  const stopped: StoppedNode[] = []
  for (const process of node.process === null ? known : [node.process, ...known]) {
    if (!(await isRunning({ process }))) continue
    stopped.push({ id: node.id, pid: process.pid, byItself: await stopProcess({ id: node.id, process }) })
  }
  return stopped
}

export interface NodeReport {
  id: string
  name: string
  jurisdiction: string
  validator: boolean
  home: string
  addresses: string[]
  /** Null where its process does not run. */
  pid: number | null
  /** Its own report; null where it does not answer. */
  status: NodeStatus | null
}

/** What the nodes of a testnet do now. @throws EpioneError `testnet-missing`, `config-invalid` */
export async function inspectTestnet(dir: string): Promise<{ directory: string; chainId: string; nodes: NodeReport[] }> {
  const manifest = requireManifest(dir)
  const probe = await createProbe()
  try {
    const nodes = manifest.nodes.map(async (node): Promise<NodeReport> => {
      const { id, name, jurisdiction, validator, home, addresses } = node
      const pid = (await isRunning(node)) ? (node.process?.pid ?? null) : null
      const status = pid === null ? null : await probe.status(addresses[0]!)
      return { id, name, jurisdiction, validator, home, addresses, pid, status }
    })
    return { directory: manifest.directory, chainId: manifest.chainId, nodes: await Promise.all(nodes) }
  } finally {
    await probe.stop()
  }
}
