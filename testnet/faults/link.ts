/** One directed link between two nodes: a TCP proxy on loopback between who dials and where the other listens. */
import { createServer, type Server, Socket } from 'node:net'
import { freePorts } from '../launcher/ports.ts'
import { type SeededRandom, seededRandom } from '../population/random.ts'
import { Flow } from './flow.ts'
import { FAIR, travelMs, type Weather } from './weather.ts'

const HOST = '127.0.0.1'

/**
 * `open` passes everything on. `cut` has reset the connections and resets new ones, as a router does that knows of no way.
 * `silent` lets nothing pass and tells nobody, as a cable that was pulled: what was on its way arrives some time after the link has
 * healed, when TCP sends it once more. Each pause of TCP is twice the one before, so that this may be as long again as the silence.
 */
export type LinkState = 'open' | 'cut' | 'silent'

/** First pauses of TCP before it sends again, in ms, as Linux has them: of a connection over a short way, and of one that begins. */
const FIRST_RESEND_MS = { standing: 200, beginning: 1_000 }

/** A connection that came in and the one that leads on. */
interface Pair {
  readonly near: Socket
  readonly far: Socket
  /** There and back. */
  readonly flows: readonly Flow[]
  /** Whether one side ended while the link was silent: the other learns it later. */
  over: boolean
  /** Since when nothing passes, by `performance.now()`, and whether the connection was there by then; null while all passes. */
  held: { sinceMs: number; kind: keyof typeof FIRST_RESEND_MS } | null
  timer: NodeJS.Timeout | undefined
}

export class Link {
  readonly #server: Server
  readonly #target: number
  readonly #pairs = new Set<Pair>()
  readonly #random: SeededRandom
  #state: LinkState = 'open'
  #weather: Weather = FAIR

  private constructor(server: Server, target: number, random: SeededRandom) {
    this.#server = server
    this.#target = target
    this.#random = random
    server.on('connection', near => this.#accept(near))
  }

  /**
   * A link to a port, that listens at a free one.
   * @param options.at listens there and nowhere else: null where that port is taken
   * @param options.seed of the weather's chances
   */
  static async open(target: number, options?: { at?: undefined; seed?: number }): Promise<Link>
  static async open(target: number, options: { at?: number | undefined; seed?: number }): Promise<Link | null>
  static async open(target: number, options: { at?: number | undefined; seed?: number } = {}): Promise<Link | null> {
    const { at, seed = 1 } = options
    for (const port of at === undefined ? freePorts() : [at]) {
      // Half-open connections are passed on as they are.
      const server = createServer({ allowHalfOpen: true })
      if (await listens(server, port)) return new Link(server, target, seededRandom(seed))
    }
    if (at !== undefined) return null
    throw new RangeError('no port for a link is free')
  }

  /** Port where the proxy listens. */
  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  get state(): LinkState {
    return this.#state
  }

  /** Connections that stand, or wait for the link to heal. */
  get connections(): number {
    return this.#pairs.size
  }

  get weather(): Weather {
    return this.#weather
  }

  /** Holds for what is sent from now on; what is under way arrives before it. */
  setWeather(weather: Weather): void {
    this.#weather = weather
  }

  set(state: LinkState): void {
    this.#state = state
    for (const pair of [...this.#pairs]) {
      if (state === 'cut' || pair.over) this.#reset(pair)
      else if (state === 'silent') hold(pair, 'standing')
      else resume(pair)
    }
  }

  async stop(): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    for (const pair of [...this.#pairs]) this.#reset(pair)
    await closed
  }

  #accept(near: Socket): void {
    const far = new Socket({ allowHalfOpen: true })
    const travel = (): number => travelMs(this.#weather, this.#random)
    const pair: Pair = {
      near,
      far,
      flows: [new Flow(near, far, travel), new Flow(far, near, travel)],
      over: false,
      held: null,
      timer: undefined,
    }
    this.#pairs.add(pair)
    for (const socket of [near, far]) {
      socket.setNoDelay(true)
      // An error is followed by its close, which is what counts.
      socket.on('error', () => undefined)
      socket.on('close', failed => this.#closed(pair, failed))
    }
    if (this.#state === 'cut') {
      this.#reset(pair)
      return
    }
    far.connect(this.#target, HOST)
    if (this.#state === 'silent') hold(pair, 'beginning')
    else for (const flow of pair.flows) flow.release()
  }

  #closed(pair: Pair, failed: boolean): void {
    const { near, far } = pair
    if (!this.#pairs.has(pair)) return
    if (near.destroyed && far.destroyed) this.#reset(pair)
    else if (this.#state === 'silent') pair.over = true
    else if (failed) this.#reset(pair)
    // What the side that ended has said last still goes out.
    else (near.destroyed ? pair.flows[0] : pair.flows[1])?.finish()
  }

  #reset(pair: Pair): void {
    this.#pairs.delete(pair)
    clearTimeout(pair.timer)
    for (const flow of pair.flows) flow.stop()
    for (const socket of [pair.near, pair.far]) {
      if (socket.connecting) socket.destroy()
      else if (!socket.destroyed) socket.resetAndDestroy()
    }
  }
}

function hold(pair: Pair, kind: keyof typeof FIRST_RESEND_MS): void {
  clearTimeout(pair.timer)
  pair.held ??= { sinceMs: performance.now(), kind }
  for (const flow of pair.flows) flow.hold()
}

/** Lets bytes pass again from the moment at which TCP would next have sent what was lost. */
function resume(pair: Pair): void {
  if (pair.held === null) return
  const { sinceMs, kind } = pair.held
  const silentMs = performance.now() - sinceMs
  let [pauseMs, resendMs] = [FIRST_RESEND_MS[kind], FIRST_RESEND_MS[kind]]
  while (resendMs < silentMs) {
    pauseMs *= 2
    resendMs += pauseMs
  }
  clearTimeout(pair.timer)
  pair.timer = setTimeout(() => {
    pair.held = null
    for (const flow of pair.flows) flow.release()
  }, resendMs - silentMs)
}

async function listens(server: Server, port: number): Promise<boolean> {
  return await new Promise(resolve => {
    server.once('error', () => resolve(false))
    server.listen({ port, host: HOST, exclusive: true }, () => {
      server.removeAllListeners('error')
      server.on('error', () => undefined)
      resolve(true)
    })
  })
}
