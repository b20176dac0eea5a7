/** Minding a testnet: doing what is asked for to its nodes and links, noting it, and serving that over HTTP to who has the token. */
import { appendFileSync } from 'node:fs'
import { randomBytes } from '../../src/crypto/random.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { processStart } from '../../src/node/process-start.ts'
import type { Testnet } from '../launcher/testnet.ts'
import { type Act, describeAct } from './acts.ts'
import { NetworkMinding } from './network-minding.ts'
import { controlPaths, removeControlNote, writeControlNote } from './note.ts'
import { Performer } from './perform.ts'
import { type ControlState, type Done, serveControl } from './server.ts'

/** Acts that are remembered; all of them are in the history file. */
const MAX_DONE = 1_000

export class Mind {
  readonly net: Testnet
  readonly #performer: Performer
  readonly #done: Done[] = []
  readonly #minding: NetworkMinding
  #server: { url: string; stop: () => Promise<void> } | undefined

  /** @param net opened as `minded` */
  constructor(net: Testnet) {
    this.net = net
    this.#performer = new Performer(net)
    this.#minding = new NetworkMinding(net, this.#performer.paused)
  }

  /** Acts that were done or tried, oldest first; the newest thousand. */
  get done(): readonly Done[] {
    return this.#done
  }

  /** Does one act when those before are done, and notes it. @throws what {@link Performer.perform} throws */
  async perform(act: Act): Promise<Done> {
    const atMs = Date.now()
    const startMs = performance.now()
    let failure: unknown
    try {
      await this.#performer.perform(act)
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
    this.#done.push(line)
    if (this.#done.length > MAX_DONE) this.#done.shift()
    this.#minding.done(line)
    appendFileSync(controlPaths(this.net.dir).history, `${JSON.stringify(line)}\n`, { mode: 0o600 })
    if (failure !== undefined) throw failure
    return line
  }

  async state(): Promise<ControlState> {
    const { net } = this
    const links = net.links?.list() ?? []
    const name = (index: number): string => net.nodes[index]?.id ?? ''
    return {
      directory: net.dir,
      nodes: await Promise.all(
        net.nodes.map(async ({ id }, index) => ({
          id,
          pid: await net.runningPid(index),
          paused: this.#performer.paused.has(index),
          faults: net.faults(index),
        })),
      ),
      links: links
        .filter(({ state, weather }) => state !== 'open' || weather.delayMs > 0 || weather.jitterMs > 0 || weather.loss > 0)
        .map(({ from, to, state, weather }) => ({ from: name(from), to: name(to), state, weather })),
      done: [...this.#done],
    }
  }

  /** Serves it on loopback, and notes where in the testnet's folder. */
  async serve(): Promise<void> {
    const token = toHex(randomBytes(24))
    this.#minding.start()
    this.#server = await serveControl({
      token,
      perform: async act => await this.perform(act),
      state: async () => await this.state(),
      view: () => ({ feed: this.#minding.feed, record: async root => await this.#minding.record(root) }),
    })
    const start = await processStart(process.pid)
    writeControlNote(this.net.dir, { url: this.#server.url, token, process: { pid: process.pid, start: start ?? '' } })
  }

  /** Serves it no more. */
  async stop(): Promise<void> {
    if (this.#server === undefined) return
    removeControlNote(this.net.dir)
    await this.#minding.stop()
    await this.#server.stop()
    this.#server = undefined
  }
}
