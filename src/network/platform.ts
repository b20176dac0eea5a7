/** The one file of this folder that touches the platform: what connections are made of. Browsers take `platform.browser.ts` in its place. */
import { tcp } from '@libp2p/tcp'
import type { webSockets } from '@libp2p/websockets'
import { boundedWebSockets } from './web-sockets.ts'

/** libp2p's transports of this platform; a connection that comes by WebSockets has to be one within `openingMs`. */
export function transports({ openingMs }: { openingMs: number }): (ReturnType<typeof tcp> | ReturnType<typeof webSockets>)[] {
  return [tcp(), boundedWebSockets({ openingMs })]
}

/** Calls after what this turn of the event loop still brings. */
export function afterTurn(fn: () => void): void {
  setImmediate(fn)
}
