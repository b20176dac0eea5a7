/** The one file of this folder that touches the platform: what connections are made of. Browsers take `platform.browser.ts` in its place. */
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'

/** libp2p's transports of this platform. */
export function transports(): (ReturnType<typeof tcp> | ReturnType<typeof webSockets>)[] {
  return [tcp(), webSockets()]
}

/** Calls after what this turn of the event loop still brings. */
export function afterTurn(fn: () => void): void {
  setImmediate(fn)
}
