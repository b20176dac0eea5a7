/** Host and port at which a node serves HTTP, as a setting writes them: `127.0.0.1:7790`, `[::1]:7790`, `localhost:0`. */
import { isIP } from 'node:net'

export interface Endpoint {
  host: string
  /** 0 lets the system choose. */
  port: number
}

/** Undefined where the text is no endpoint. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-f:.]+)\]|([0-9a-z.-]+)):(\d{1,5})$/i.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  if (host === undefined || port > 65_535) return undefined
  if (bracketed !== undefined) return isIP(bracketed) === 6 ? { host, port } : undefined
  return isIP(host) === 4 || host.toLowerCase() === 'localhost' ? { host, port } : undefined
}

/** Whether only this machine reaches a host, by its address or the name `localhost`. */
export function isLoopback(host: string): boolean {
  const kind = isIP(host)
  if (kind === 4) return host.startsWith('127.')
  // A URL has one form for each address.
  return kind === 6 ? new URL(`http://[${host}]`).hostname === '[::1]' : host.toLowerCase() === 'localhost'
}
