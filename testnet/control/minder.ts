/**
 * The process that minds a detached testnet: it has the links between the nodes, does to them what it is asked for, and notes that.
 * The nodes outlive it; where it ends, the links are gone until it is started again.
 */
import { appendFileSync } from 'node:fs'
import { randomBytes } from '../../src/crypto/random.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { processStart } from '../../src/node/process-start.ts'
import { openTestnet, type Testnet } from '../launcher/testnet.ts'
import { type Act, describeAct } from './acts.ts'
import { controlPaths, removeControlNote, writeControlNote } from './note.ts'
import { Performer } from './perform.ts'
import { type ControlState, type Done, serveControl } from './server.ts'

/** Acts that are remembered; all of them are in the history file. */
const MAX_DONE = 1_000

/** Minds the testnet in a folder until `signal` aborts. */
export async function mind(dir: string, signal: AbortSignal): Promise<void> {
  const net = await openTestnet({ dir, minded: true })
  const performer = new Performer(net)
  const done: Done[] = []
  const token = toHex(randomBytes(24))
  const perform = async (act: Act): Promise<Done> => {
    const atMs = Date.now()
    const startMs = performance.now()
    let failure: unknown
    try {
      await performer.perform(act)
    } catch (error) {
      failure = error
    }
    const line: Done = {
      atMs,
      tookMs: Math.round(performance.now() - startMs),
      act,
      what: describeAct(act),
      error: failure === undefined ? null : errorCode(failure),
    }
    done.push(line)
    if (done.length > MAX_DONE) done.shift()
    appendFileSync(controlPaths(net.dir).history, `${JSON.stringify(line)}\n`, { mode: 0o600 })
    if (failure !== undefined) throw failure
    return line
  }
  const { url, stop } = await serveControl({ token, perform, state: () => stateOf(net, performer, done) })
  const start = await processStart(process.pid)
  writeControlNote(net.dir, { url, token, process: { pid: process.pid, start: start ?? '' } })
  await new Promise<void>(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  removeControlNote(net.dir)
  await stop()
  await net.leave()
  await net.links?.stop()
}

async function stateOf(net: Testnet, performer: Performer, done: readonly Done[]): Promise<ControlState> {
  const links = net.links?.list() ?? []
  const name = (index: number): string => net.nodes[index]?.id ?? ''
  return {
    directory: net.dir,
    nodes: await Promise.all(
      net.nodes.map(async ({ id }, index) => ({
        id,
        pid: await net.runningPid(index),
        paused: performer.paused.has(index),
        faults: net.faults(index),
      })),
    ),
    links: links
      .filter(({ state, weather }) => state !== 'open' || weather.delayMs > 0 || weather.jitterMs > 0 || weather.loss > 0)
      .map(({ from, to, state, weather }) => ({ from: name(from), to: name(to), state, weather })),
    done: [...done],
  }
}
