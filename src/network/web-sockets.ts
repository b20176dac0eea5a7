/**
 * libp2p's WebSockets with a listener that anybody may talk to. Its own (@libp2p/websockets 10.1) waits for ever for a client that sends nothing or half
 * a request, for its HTTP server never listens itself and so runs no timers; a frame that breaks RFC 6455 is an 'error' event that nobody hears,
 * which ends the process; one message may have 100 MiB, before anything is known of its sender; and a connection that is aborted stays open,
 * for 1006 is no code that may be sent.
 */
import type { Server, Socket } from 'node:net'
import { webSockets } from '@libp2p/websockets'
import { EpioneError } from '../encoding/errors.ts'
import { Arrivals } from './arrivals.ts'

/** Longest message, in bytes: noise makes pieces of 64 KiB, which some implementations gather. */
const MAX_MESSAGE = 1024 * 1024
/** What libp2p closes an aborted connection with. */
const ABNORMAL = 1006

/** A WebSocket of `ws`, as far as it is touched here. */
interface ServedSocket {
  close(code?: number, reason?: string): void
  terminate(): void
  on(event: 'error', listener: (error: Error) => void): unknown
}

interface Request {
  socket: Socket
}

/** What libp2p's listener is made of. */
interface Parts {
  server: Server
  wsServer: { options: { maxPayload?: number }; on(event: 'headers', listener: (headers: string[], request: Request) => void): unknown }
  onWsServerConnection(socket: ServedSocket, request: Request): void
}

/** libp2p's WebSockets, whose listeners give up who has made no WebSocket of its connection within `openingMs`. */
export function boundedWebSockets({ openingMs }: { openingMs: number }): ReturnType<typeof webSockets> {
  return components => {
    const transport = webSockets()(components)
    const createListener = transport.createListener.bind(transport)
    transport.createListener = options => {
      const listener = createListener(options)
      bound(partsOf(listener), openingMs)
      return listener
    }
    return transport
  }
}

/** @throws EpioneError `internal` where another release of the package is made of other parts: it would listen without bounds */
function partsOf(listener: unknown): Parts {
  const parts = listener as Partial<Parts>
  if (parts.server === undefined || parts.wsServer?.options === undefined || parts.onWsServerConnection === undefined)
    throw new EpioneError('internal', 'The listener for WebSockets is not the one that its limits were made for.')
  return parts as Parts
}

function bound(parts: Parts, openingMs: number): void {
  parts.wsServer.options.maxPayload = MAX_MESSAGE
  const arrivals = new Arrivals()
  /** By the other end's address and port, for TLS puts another socket in the place of the first. */
  const opening = new Map<string, () => void>()
  parts.server.on('connection', socket => {
    const name = nameOf(socket)
    const settled = arrivals.add(socket.remoteAddress ?? '', () => socket.destroy())
    const timer = setTimeout(() => socket.destroy(), openingMs)
    const settle = (): void => {
      clearTimeout(timer)
      settled()
      if (opening.get(name) === settle) opening.delete(name)
    }
    opening.set(name, settle)
    socket.once('close', settle)
    // Errors of a socket that nobody reads yet are nothing to tell anybody, and must not end the process.
    socket.on('error', () => undefined)
  })
  parts.wsServer.on('headers', (_headers, { socket }) => opening.get(nameOf(socket))?.())
  const serve = parts.onWsServerConnection.bind(parts)
  parts.onWsServerConnection = (socket, request) => {
    // `ws` closes the connection itself, with the code that says why.
    socket.on('error', () => undefined)
    const close = socket.close.bind(socket)
    socket.close = (code, reason) => (code === ABNORMAL ? socket.terminate() : close(code, reason))
    serve(socket, request)
  }
}

function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
