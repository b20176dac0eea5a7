/** What `platform.ts` is in Node, for browsers: they have WebSockets and no TCP. */
import { webSockets } from '@libp2p/websockets'

/** libp2p's transports of this platform: a page listens nowhere. */
export function transports(_: { openingMs: number }): ReturnType<typeof webSockets>[] {
  return [webSockets()]
}

/** Calls after what this turn of the event loop still brings. */
export function afterTurn(fn: () => void): void {
  setTimeout(fn, 0)
}
