/** The control of a testnet over HTTP on loopback, for whoever has its token: what is, what was done, and doing something. */
import { timingSafeEqual } from 'node:crypto'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { utf8 } from '../../src/encoding/bytes.ts'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { addPage, addView, type ViewSources } from '../../src/gateway/network-routes.ts'
import type { NodeFaults } from '../faults/node-faults.ts'
import type { Weather } from '../faults/weather.ts'
import { type Act, parseAct } from './acts.ts'
import { testnetPage } from './page.ts'

const MAX_BODY_BYTES = 16 * 1024
const HOST = '127.0.0.1'

/** An act that was done, or tried. */
export interface Done {
  /** When it began, in ms since the epoch, and how long it took, in ms. */
  atMs: number
  tookMs: number
  act: Act
  /** The act in words. */
  what: string
  /** Code of why it was not done; null where it was. */
  error: string | null
}

export interface ControlState {
  directory: string
  nodes: { id: string; pid: number | null; paused: boolean; faults: NodeFaults }[]
  /** Links that are not open and in fair weather, by who dials and who listens. */
  links: { from: string; to: string; state: string; weather: Weather }[]
  /** What was done, oldest first; the newest thousand. */
  done: Done[]
}

export interface ControlDependencies {
  token: string
  state(): Promise<ControlState>
  perform(act: Act): Promise<Done>
  /** The network as all its nodes see it; null while it is not watched. */
  view?(): ViewSources | null
}

/** The app without a port. Errors are `application/problem+json` (RFC 9457) with a stable `code`. */
export function createControlApp({ token, state, perform, view }: ControlDependencies): Hono {
  const app = new Hono()
  const wanted = sha256(utf8(`Bearer ${token}`))
  // Holds nothing, and asks for the token itself.
  addPage(app, testnetPage)
  app.use(async (context, next) => {
    const given = sha256(utf8(context.req.header('authorization') ?? ''))
    if (!timingSafeEqual(given, wanted)) return context.json(problem(401, 'unauthorized', 'The token is missing or wrong.'), 401)
    return await next()
  })
  app.use(
    bodyLimit({ maxSize: MAX_BODY_BYTES, onError: context => context.json(problem(413, 'too-large', 'The request is too large.'), 413) }),
  )
  app.get('/v1/state', async context => context.json(await state()))
  app.post('/v1/acts', async context => {
    const act = parseAct(await context.req.json().catch(() => null))
    const done = await perform(act)
    return context.json({ done, state: await state() })
  })
  if (view !== undefined) addView(app, () => view())
  app.notFound(context =>
    context.json(
      problem(404, 'not-found', `There is /v1/state, /v1/acts, /v1/network and /network/; ${describePath(context.req.path)}`),
      404,
    ),
  )
  app.onError((error, context) => {
    const code = error instanceof EpioneError ? errorCode(error) : 'internal'
    const status = code === 'invalid-argument' ? 400 : code === 'internal' ? 500 : 409
    return context.json(problem(status, code, error.message), status)
  })
  return app
}

function describePath(path: string): string {
  return `nothing is at ${path.slice(0, 100)}`
}

function problem(status: number, code: string, detail: string): { type: string; status: number; code: string; detail: string } {
  return { type: 'about:blank', status, code, detail }
}

/** Serves it at a free port of this machine. @returns where, and what ends it */
export async function serveControl(dependencies: ControlDependencies): Promise<{ url: string; stop: () => Promise<void> }> {
  const server = createAdaptorServer({ fetch: createControlApp(dependencies).fetch, overrideGlobalObjects: false }) as Server
  server.maxConnections = 64
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, HOST, resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${HOST}:${port}`,
    stop: async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}
