/** Serves {@link createOperationsApp} over HTTP, in bounds that no client can break: of requests, connections and time. */
import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { EpioneError } from '../encoding/errors.ts'
import type { NodeActivity } from '../node/activity.ts'
import { type Endpoint, isLoopback } from '../node/endpoint.ts'
import type { Logger } from '../node/logger.ts'
import { notReadyBecause } from '../node/readiness.ts'
import type { NodeStatus } from '../node/status.ts'
import type { Snapshot } from './metric.ts'
import { MetricsCollector } from './metrics-collector.ts'
import { pageFolder } from './network-page.ts'
import { NetworkWatch, type WatchedNode } from './network-watch.ts'
import { createOperationsApp, type Readiness, stoppingError } from './operations-app.ts'
import { ProcessWatch } from './process-watch.ts'

/** Connections at a time; further ones are closed at once. */
const MAX_CONNECTIONS = 32
const MAX_HEADER_BYTES = 8 * 1024
/** How long headers and a whole request may take, and how long a connection may be idle, in ms. */
const REQUEST_MS = 5_000
const IDLE_MS = 10_000
/** How often the two are looked at, in ms. */
const LOOK_MS = 1_000
const REQUESTS_PER_CONNECTION = 1_000
/** How long answers that are under way may take at the end, in ms. */
const STOP_MS = 1_000

export interface OperationsOptions extends Endpoint {
  /** What who asks must bring; null only at an address of this machine. */
  token: string | null
  /** Version of the program. */
  version: string
}

export interface OperationsDependencies {
  node: { status(): NodeStatus; activity(): NodeActivity }
  /** The node again, where its network is to be seen too. */
  watched?: WatchedNode
  logger: Logger
}

export class OperationsServer {
  readonly #options: OperationsOptions
  readonly #deps: OperationsDependencies
  readonly #watch = new ProcessWatch()
  readonly #server: Server
  readonly #network: NetworkWatch | null
  #isStopping = false

  /** @throws EpioneError `config-invalid` for an address that others reach, without a token */
  constructor(options: OperationsOptions, dependencies: OperationsDependencies) {
    if (options.token === null && !isLoopback(options.host)) {
      throw new EpioneError('config-invalid', `health and metrics at ${options.host} can be reached from other machines: they need a token`)
    }
    this.#options = options
    this.#deps = dependencies
    const collector = new MetricsCollector(() => this.#snapshot())
    const text = async (): Promise<string> => {
      // Stores of a node that stops may be closed by now.
      if (this.#isStopping) throw stoppingError()
      return await collector.text()
    }
    this.#network = dependencies.watched === undefined ? null : new NetworkWatch(dependencies.watched)
    const app = createOperationsApp(options, {
      readiness: () => this.#readiness(),
      metrics: { contentType: collector.contentType, text },
      view: () => {
        const network = this.#network
        return network === null || this.#isStopping ? null : { feed: network.feed, record: async root => await network.record(root) }
      },
      page: pageFolder,
      logger: dependencies.logger,
    })
    this.#server = createAdaptorServer({
      fetch: app.fetch,
      // What this process knows as Request and Response stays Node's.
      overrideGlobalObjects: false,
      serverOptions: {
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: REQUEST_MS,
        requestTimeout: REQUEST_MS,
        keepAliveTimeout: IDLE_MS,
        connectionsCheckingInterval: LOOK_MS,
      },
    }) as Server
    this.#server.maxConnections = MAX_CONNECTIONS
    this.#server.maxRequestsPerSocket = REQUESTS_PER_CONNECTION
    // Also for who asks and does not read the answer.
    this.#server.setTimeout(IDLE_MS)
  }

  /** @returns where it is served, such as `http://127.0.0.1:7790` @throws EpioneError `port-in-use`, `port-forbidden`, `listen-failed` */
  async start(): Promise<string> {
    const { host, port } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', error => reject(listenError(error, this.#options)))
      this.#server.listen(port, host, resolve)
    })
    this.#watch.start()
    this.#network?.start()
    const address = this.#server.address()
    const at = typeof address === 'object' && address !== null ? address.port : port
    return `http://${host.includes(':') ? `[${host}]` : host}:${at}`
  }

  /** From now on the node is not ready: call it before the node is stopped. */
  stopping(): void {
    this.#isStopping = true
    this.#network?.stop()
  }

  /** Fine to call more than once. */
  async stop(): Promise<void> {
    this.stopping()
    this.#watch.stop()
    if (!this.#server.listening) return
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    this.#server.closeIdleConnections()
    const timer = setTimeout(() => this.#server.closeAllConnections(), STOP_MS)
    await closed
    clearTimeout(timer)
  }

  #readiness(): Readiness {
    if (this.#isStopping) return { ready: false, reasons: [{ code: 'stopping', message: stoppingError().message }] }
    const reasons = notReadyBecause(this.#deps.node.status())
    return { ready: reasons.length === 0, reasons }
  }

  #snapshot(): Snapshot {
    const { node } = this.#deps
    const status = node.status()
    const ready = notReadyBecause(status).length === 0
    return { version: this.#options.version, ready, status, activity: node.activity(), process: this.#watch.report() }
  }
}

function listenError(error: NodeJS.ErrnoException, { host, port }: Endpoint): EpioneError {
  const metadata = { port }
  if (error.code === 'EADDRINUSE') {
    const message = `port ${port} is used by another program; choose another with --operations`
    return new EpioneError('port-in-use', message, { metadata, cause: error })
  }
  if (error.code === 'EACCES') {
    const message = `port ${port} may not be opened by this user; choose one above 1023 with --operations`
    return new EpioneError('port-forbidden', message, { metadata, cause: error })
  }
  return new EpioneError('listen-failed', `health and metrics cannot be served at ${host}; check --operations`, { metadata, cause: error })
}
