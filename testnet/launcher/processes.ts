/** The processes of a testnet: starting a node, telling it from a later process with its id, and ending it for sure. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { extname, join } from 'node:path'
import { EpioneError } from '../../src/encoding/errors.ts'
import { processStart } from '../../src/node/process-start.ts'
import type { ManifestNode } from './manifest.ts'
import { waitFor } from './wait.ts'

/** The command line, as source or as built. */
const MAIN = join(import.meta.dirname, '..', '..', 'cli', `main${extname(import.meta.filename)}`)
/** How long a node may take to stop by itself, in ms. */
const STOP_MS = 10_000
const KILL_MS = 5_000

export interface StartedProcess {
  pid: number
  start: string
  startedAt: string
}

/** Compiled modules: they make each start some 400 ms shorter. Node passes over a folder that it cannot use. */
const COMPILE_CACHE = join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'epione-testnet')

/** The environment without what would change a node's settings or its Node. */
function nodeEnvironment(): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('EPIONE_') && name !== 'NODE_OPTIONS')
  return { NODE_COMPILE_CACHE: COMPILE_CACHE, ...Object.fromEntries(kept) }
}

/**
 * Starts a node with its output in its log. A detached node leads a process group of its own and outlives this process; another
 * stops when the channel to this process closes, however this process ended.
 */
export async function startProcess(
  node: ManifestNode,
  options: { detached: boolean; execArgv?: readonly string[]; env?: Readonly<Record<string, string>> },
): Promise<{ child: ChildProcess; process: StartedProcess }> {
  const { detached, execArgv = [], env = {} } = options
  if (!existsSync(MAIN)) throw new EpioneError('internal', `the command line is not at ${MAIN}`)
  const log = openSync(node.log, 'a', 0o600)
  let child: ChildProcess
  try {
    child = spawn(process.execPath, [...execArgv, MAIN, 'start', '--home', node.home], {
      detached,
      env: { ...nodeEnvironment(), ...env },
      stdio: detached ? ['ignore', log, log] : ['ignore', log, log, 'ipc'],
    })
  } finally {
    closeSync(log)
  }
  const { pid } = child
  if (pid === undefined) {
    const reason = await new Promise<string>(resolve => child.once('error', error => resolve(error.message)))
    throw new EpioneError('node-failed', `${node.id} could not be started: ${reason}`)
  }
  // A process that could not be signalled has ended, which its exit tells.
  child.on('error', () => undefined)
  child.unref()
  child.channel?.unref()
  const start = await processStart(pid)
  return { child, process: { pid, start: start ?? 'ended', startedAt: new Date().toISOString() } }
}

/** Whether the process that net.json names still runs, and is that one. */
export async function isRunning(node: Pick<ManifestNode, 'process'>): Promise<boolean> {
  return node.process !== null && (await processStart(node.process.pid)) === node.process.start
}

/** Sends a signal to a node and, where it leads a group, to all that it started; false where it is gone. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, signal)
      return true
    } catch {
      // No such group: the process was not started detached. No such process: it is gone.
    }
  }
  return false
}

/**
 * Ends a node: asks, waits, then kills. It is gone when this resolves. A paused node is woken so that it can stop.
 * @returns whether it stopped by itself
 */
export async function stopProcess(node: Pick<ManifestNode, 'id' | 'process'>, graceMs = STOP_MS): Promise<boolean> {
  if (node.process === null || !(await isRunning(node))) return true
  const { pid } = node.process
  const ended = async (timeoutMs: number): Promise<boolean> =>
    await waitFor(async () => !(await isRunning(node)), { timeoutMs, everyMs: 25 }).catch(() => false)
  signalProcess(pid, 'SIGTERM')
  signalProcess(pid, 'SIGCONT')
  if (await ended(graceMs)) return true
  signalProcess(pid, 'SIGKILL')
  if (!(await ended(KILL_MS))) throw new EpioneError('node-failed', `${node.id} (process ${pid}) does not end`)
  return false
}
