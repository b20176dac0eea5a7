/** The ports of a testnet: fixed, so that its addresses stay, and below 32768, where systems begin to hand out ports by themselves. */
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { EpioneError } from '../../src/encoding/errors.ts'

/** First port above those that a testnet may use. */
const PORT_LIMIT = 32_768
const HOST = '127.0.0.1'
/** Ports from a node's first to the next node's. */
const STEP = 10
/** Where free ranges are looked for. */
const SEARCH_FROM = 12_000

export interface NodePorts {
  tcp: number
  ws: number
  /** Health, metrics and the view of the network, over HTTP. */
  operations: number
}

/** Ports of node `number`, counted from 1: `base + 10 number` for TCP, the next one for WebSockets, the one after for operations. */
export function portsOf(basePort: number, number: number): NodePorts {
  const tcp = basePort + STEP * number
  return { tcp, ws: tcp + 1, operations: tcp + 2 }
}

/** @throws EpioneError `invalid-argument` where the last port would be too high */
export function checkRange(basePort: number, nodes: number): void {
  if (portsOf(basePort, nodes).operations >= PORT_LIMIT) {
    const highest = PORT_LIMIT - STEP * nodes - 3
    throw new EpioneError(
      'invalid-argument',
      `${nodes} nodes need a --base-port of at most ${highest}: ports from ${PORT_LIMIT} on are the system's`,
    )
  }
}

async function isFree(port: number): Promise<boolean> {
  return await new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: HOST, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** The first port of the nodes that another program has, or null. */
export async function busyPort(basePort: number, numbers: readonly number[]): Promise<{ port: number; number: number } | null> {
  for (const number of numbers) {
    const { tcp, ws, operations } = portsOf(basePort, number)
    for (const port of [tcp, ws, operations]) if (!(await isFree(port))) return { port, number }
  }
  return null
}

/** @throws EpioneError `port-in-use` with the first port of these nodes that is taken */
export async function assertFreePorts(basePort: number, numbers: readonly number[]): Promise<void> {
  const busy = await busyPort(basePort, numbers)
  if (busy === null) return
  throw new EpioneError(
    'port-in-use',
    `port ${busy.port}, which node${busy.number} would listen at, is used by another program; choose other ports with --base-port`,
    { metadata: { port: busy.port } },
  )
}

/** A base port whose ports are free now. Begins at a random place, so that two that search at once seldom meet. */
export async function findBasePort(nodes: number): Promise<number> {
  const places = Math.floor((PORT_LIMIT - SEARCH_FROM) / STEP) - nodes - 2
  const numbers = Array.from({ length: nodes }, (_, index) => index + 1)
  let place = randomInt(places)
  for (let tries = 0; tries < places; tries++) {
    const basePort = SEARCH_FROM + STEP * place
    const busy = await busyPort(basePort, numbers)
    if (busy === null) return basePort
    place = (place + busy.number + 1) % places
  }
  throw new EpioneError('port-in-use', `no range of ports for ${nodes} nodes is free below ${PORT_LIMIT}`)
}

/** Ports that may be free, from a random place on, each once; who listens at one finds out. */
export function* freePorts(): Generator<number, void> {
  const count = PORT_LIMIT - SEARCH_FROM
  const first = randomInt(count)
  for (let i = 0; i < count; i++) yield SEARCH_FROM + ((first + i) % count)
}
