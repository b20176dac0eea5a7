/** Free ports on loopback, below 32768, from where systems hand out ports by themselves. */
import { createServer } from 'node:net'
import { EpioneError } from '../encoding/errors.ts'

const PORTS = { from: 12_000, to: 32_700 }
/** Ports between the places from which two processes look. */
const STRIDE = 53

async function isFree(port: number): Promise<boolean> {
  return await new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** Ports that are free now. Where the search begins follows from the process's id, so that test files that run side by side seldom meet. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  const span = PORTS.to - PORTS.from
  for (let i = 0; ports.length < count && i < span; i++) {
    const port = PORTS.from + ((process.pid * STRIDE + i) % span)
    if (await isFree(port)) ports.push(port)
  }
  if (ports.length < count) throw new EpioneError('port-in-use', `There are no ${count} free ports below ${PORTS.to}.`)
  return ports
}
