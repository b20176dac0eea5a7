/**
 * Loaded into a node's process before anything else (`--import`): sends its outgoing connections to the ports of other nodes through
 * the proxies of its links. The node knows nothing of it: it announces and learns true addresses, and whatever address of a node it
 * dials, the connection goes through the link. What is not a node's port is left alone.
 */
import { Socket } from 'node:net'
import { LINKS_VARIABLE } from './variables.ts'

interface Target {
  port?: unknown
}

const routes: ReadonlyMap<number, number> = new Map(JSON.parse(process.env[LINKS_VARIABLE] ?? '[]') as [number, number][])

const connect = Socket.prototype.connect as (this: Socket, ...args: unknown[]) => Socket

/** The object of a call that names the port. `net.connect` hands over its own arguments in an array that holds it first. */
function targetOf(args: readonly unknown[]): Target | undefined {
  const first = Array.isArray(args[0]) ? (args[0][0] as unknown) : args[0]
  return typeof first === 'object' && first !== null ? first : undefined
}

Socket.prototype.connect = function (this: Socket, ...args: unknown[]): Socket {
  const target = targetOf(args)
  if (target === undefined) {
    const route = routes.get(Number(args[0]))
    if (route !== undefined) args[0] = route
  } else {
    const route = routes.get(Number(target.port))
    if (route !== undefined) target.port = route
  }
  return connect.apply(this, args)
} as typeof Socket.prototype.connect
