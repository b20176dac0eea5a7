/**
 * What an operator's tools ask a node over HTTP: `/healthz`, `/readyz`, `/metrics`, and the network as the node sees it. Read-only; nothing of
 * it is about patients, and nothing that is asked for reaches the ledger or the network.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { type Context, Hono, type Next } from 'hono'
import { secureHeaders } from 'hono/secure-headers'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { isLoopback } from '../node/endpoint.ts'
import type { Logger } from '../node/logger.ts'
import type { Reason } from '../node/readiness.ts'
import { addPage, addView, type ViewSources } from './network-routes.ts'

export interface Readiness {
  ready: boolean
  /** Why it is not; codes are stable. */
  reasons: Reason[]
}

export interface OperationsAppOptions {
  /** What who asks must bring, except for `/healthz`; null where only this machine can ask. */
  token: string | null
}

export interface OperationsAppDependencies {
  readiness: () => Readiness
  metrics: { readonly contentType: string; text(): Promise<string> }
  /** What the node sees of its network; null where it is not watched, or stops. */
  view?: () => ViewSources | null
  /** Folder of the built page of the network; null where there is none. */
  page?: () => Promise<string | null>
  logger: Logger
}

/** Refusals by their status: code and sentence. */
const REFUSALS = {
  401: ['token-needed', 'Send the token of this endpoint as "Authorization: Bearer <token>".'],
  404: ['not-found', 'There are /healthz, /readyz, /metrics, /v1/network and /network/, by GET.'],
  413: ['too-large', 'A request has no body here.'],
  421: ['wrong-host', 'Without a token this endpoint answers to the names of this machine alone, such as 127.0.0.1 and localhost.'],
  500: ['internal', 'The node could not answer; see its log.'],
  503: ['stopping', 'The node stops.'],
} as const

export function createOperationsApp({ token }: OperationsAppOptions, dependencies: OperationsAppDependencies): Hono {
  const { readiness, metrics, logger, view, page } = dependencies
  const app = new Hono()
  app.use(secureHeaders())
  app.use(async (context, next) => {
    context.header('cache-control', 'no-store')
    if (hasBody(context)) return refuse(context, 413)
    await next()
    return undefined
  })
  app.get('/healthz', context => context.json({ status: 'ok' }))
  if (page !== undefined) addPage(app, page)
  app.use(token === null ? onlyThisMachine : onlyWith(token))
  app.get('/readyz', context => {
    const answer = readiness()
    return context.json(answer, answer.ready ? 200 : 503)
  })
  app.get('/metrics', async context => context.body(await metrics.text(), 200, { 'content-type': metrics.contentType }))
  if (view !== undefined) addView(app, view)
  app.notFound(context => refuse(context, 404))
  app.onError((error, context) => {
    const code = errorCode(error)
    if (code === 'stopping') return refuse(context, 503)
    logger.error({ code, path: context.req.path.slice(0, 64) }, 'a question of the operator could not be answered')
    return refuse(context, 500)
  })
  return app
}

/** What sources throw while the node stops. */
export function stoppingError(): EpioneError {
  return new EpioneError('stopping', REFUSALS[503][1])
}

function hasBody({ req }: Context): boolean {
  return req.header('transfer-encoding') !== undefined || Number(req.header('content-length') ?? 0) !== 0
}

/** A refusal as RFC 9457 has it. */
function refuse(context: Context, status: keyof typeof REFUSALS): Response {
  const [code, detail] = REFUSALS[status]
  if (status === 401) context.header('www-authenticate', 'Bearer')
  // What follows on the connection is not read as another request.
  if (status === 413) context.header('connection', 'close')
  context.header('content-type', 'application/problem+json')
  return context.body(JSON.stringify({ type: 'about:blank', title: code, status, code, detail }), status)
}

/**
 * A page in a browser on this machine can send requests here, under a name of its own that it has resolve to 127.0.0.1, and read the
 * answers as its own: such a name is refused.
 */
async function onlyThisMachine(context: Context, next: Next): Promise<Response | undefined> {
  const { hostname } = new URL(context.req.url)
  if (!isLoopback(hostname.replace(/^\[|\]$/g, ''))) return refuse(context, 421)
  await next()
  return undefined
}

function onlyWith(token: string): (context: Context, next: Next) => Promise<Response | undefined> {
  const expected = digest(token)
  return async (context, next) => {
    const [, given] = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(context.req.header('authorization') ?? '') ?? []
    if (given === undefined || !timingSafeEqual(digest(given), expected)) return refuse(context, 401)
    await next()
    return undefined
  }
}

/** Of equal length for every text, so that comparing tells nothing. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
