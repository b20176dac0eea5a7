/** The control of a testnet from another process: found by its folder, started where it does not run. */
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { extname, join } from 'node:path'
import { z } from 'zod'
import { EpioneError } from '../../src/encoding/errors.ts'
import { tailOf } from '../launcher/logs.ts'
import { requireManifest } from '../launcher/manifest.ts'
import { isRunning, stopProcess } from '../launcher/processes.ts'
import { waitFor } from '../launcher/wait.ts'
import type { ActInput } from './acts.ts'
import { type ControlNote, controlPaths, readControlNote, removeControlNote } from './note.ts'
import type { ControlState, Done } from './server.ts'

const MAIN = join(import.meta.dirname, `main${extname(import.meta.filename)}`)
/** How long an act may take, in ms: nodes get ten seconds to stop, one after the other. */
const ACT_MS = 120_000
const START_MS = 30_000

const problemSchema = z.object({ code: z.string(), detail: z.string() })

async function runningNote(dir: string): Promise<ControlNote | null> {
  const note = readControlNote(dir)
  return note !== null && (await isRunning(asNode(note))) ? note : null
}

function asNode({ process }: ControlNote): { id: string; process: { pid: number; start: string; startedAt: string } } {
  return { id: 'the control', process: { ...process, startedAt: '' } }
}

/** Starts the process that minds the testnet in a folder, unless it runs. @throws EpioneError `control-failed` with the end of its log */
export async function startControl(dir: string, options: { signal?: AbortSignal } = {}): Promise<void> {
  if ((await runningNote(dir)) !== null) return
  const { log } = controlPaths(dir)
  const file = openSync(log, 'a', 0o600)
  const child = spawn(process.execPath, [MAIN, dir], { detached: true, stdio: ['ignore', file, file] })
  closeSync(file)
  child.unref()
  let ended = child.pid === undefined
  child.once('error', () => {
    ended = true
  })
  child.once('exit', () => {
    ended = true
  })
  const up = async (): Promise<boolean> => ended || (await runningNote(dir)) !== null
  await waitFor(up, { what: 'the control of the testnet', timeoutMs: START_MS, everyMs: 25, signal: options.signal })
  if (ended) throw new EpioneError('control-failed', `The control of the testnet ended by itself. ${(await tailOf(log, 5)).join('\n')}`)
}

/** Where the page of the network is, with the token that it asks for; null where nobody minds the testnet. */
export async function dashboardUrl(dir: string): Promise<string | null> {
  const note = await runningNote(dir)
  return note === null ? null : `${note.url}/network/#token=${note.token}`
}

/** How the view of the network is asked for. @throws EpioneError `testnet-missing`, `testnet-stopped` */
export async function viewAccess(dir: string): Promise<{ url: string; headers: Record<string, string> }> {
  const { url, token } = await requireNote(dir)
  return { url, headers: { authorization: `Bearer ${token}` } }
}

async function requireNote(dir: string): Promise<ControlNote> {
  requireManifest(dir)
  const note = await runningNote(dir)
  if (note !== null) return note
  throw new EpioneError('testnet-stopped', `The testnet in ${dir} is not minded now; start it with: epione testnet up --dir ${dir}`)
}

/** Ends it; the nodes go on. */
export async function stopControl(dir: string): Promise<void> {
  const note = readControlNote(dir)
  if (note !== null) await stopProcess(asNode(note))
  removeControlNote(dir)
}

/** Has something done to the testnet in a folder. @throws EpioneError `testnet-missing`, `testnet-stopped`, and what the act throws */
export async function act(
  dir: string,
  input: ActInput,
  options: { signal?: AbortSignal } = {},
): Promise<{ done: Done; state: ControlState }> {
  return (await ask(dir, '/v1/acts', { method: 'POST', body: JSON.stringify(input), ...options })) as { done: Done; state: ControlState }
}

/** What is, and what was done. @throws EpioneError `testnet-missing`, `testnet-stopped` */
export async function controlState(dir: string, options: { signal?: AbortSignal } = {}): Promise<ControlState> {
  return (await ask(dir, '/v1/state', options)) as ControlState
}

async function ask(dir: string, path: string, init: { method?: string; body?: string; signal?: AbortSignal }): Promise<unknown> {
  const note = await requireNote(dir)
  const timeout = AbortSignal.timeout(ACT_MS)
  const response = await fetch(`${note.url}${path}`, {
    method: init.method ?? 'GET',
    headers: { authorization: `Bearer ${note.token}`, 'content-type': 'application/json' },
    signal: init.signal === undefined ? timeout : AbortSignal.any([timeout, init.signal]),
    ...(init.body === undefined ? {} : { body: init.body }),
  })
  const body: unknown = await response.json()
  if (response.ok) return body
  const { code, detail } = problemSchema.parse(body)
  throw new EpioneError(code, detail)
}
