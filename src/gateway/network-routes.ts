/** The paths of a network's page, its view and its events: on a node's operations endpoint and on the control of a testnet alike. */
import { readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import type { Hono } from 'hono'
import type { FeedReader, NetworkFeed } from './network-feed.ts'
import type { RecordView } from './network-view.ts'

/** Shorter than the idleness that ends a connection. */
const HEARTBEAT_MS = 5_000
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.woff2': 'font/woff2',
}
/** The page loads what is its own, and speaks to where it comes from. */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
/** One folder deep, and nothing that begins with a dot. */
const ASSET = /^(?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}\/)?[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/

/** Adds `/network/`, which holds nothing and is for everybody. @param page folder of the built page; null where there is none */
export function addPage(app: Hono, page: () => Promise<string | null>): void {
  app.get('/network', context => context.redirect('/network/'))
  app.get('/network/*', async context => {
    const path = context.req.path.slice('/network/'.length) || 'index.html'
    const folder = await page()
    if (folder === null) return problem(404, 'page-missing', 'The page is not built here; make it with: npm run build')
    const type = TYPES[extname(path)]
    const bytes = type === undefined || !ASSET.test(path) ? null : await readFile(join(folder, path)).catch(() => null)
    if (bytes === null) return problem(404, 'not-found', 'The page has no such file.')
    return new Response(new Uint8Array(bytes), {
      headers: {
        'content-type': type as string,
        'content-security-policy': PAGE_POLICY,
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
      },
    })
  })
}

export interface ViewSources {
  feed: NetworkFeed
  /** Who keeps which fragment of a submission; null where it is not known here. */
  record?: (root: string) => Promise<RecordView | null>
}

/** Adds `/v1/network` and what is below; whoever gets this far may see it. @param sources null while the program stops */
export function addView(app: Hono, sources: () => ViewSources | null): void {
  app.get('/v1/network', context => {
    const from = sources()
    return from === null ? stopping() : context.json(from.feed.view())
  })
  app.get('/v1/network/events', context => {
    const from = sources()
    if (from === null) return stopping()
    const reader = from.feed.read(context.req.header('last-event-id'))
    if (reader === null) return problem(503, 'too-many-readers', 'Too many read these events already; ask again later.')
    return new Response(eventStream(reader), { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' } })
  })
  app.get('/v1/network/records/:root', async context => {
    const { root } = context.req.param()
    const from = sources()
    if (from === null) return stopping()
    const record = /^[0-9a-f]{64}$/.test(root) ? await from.record?.(root) : null
    return record == null ? problem(404, 'not-found', 'Nothing is known here of a submission with this root.') : context.json(record)
  })
}

/** What is read as fast as it is asked for: who does not read holds nothing up. */
export function eventStream(reader: FeedReader, heartbeatMs = HEARTBEAT_MS): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream(
    {
      start: controller => controller.enqueue(encoder.encode(': events of the network\n\n')),
      pull: async controller => {
        const item = await reader.next(heartbeatMs)
        if (item === undefined) controller.close()
        else controller.enqueue(encoder.encode(item === null ? ':\n\n' : `id: ${item.id}\ndata: ${JSON.stringify(item.event)}\n\n`))
      },
      cancel: () => reader.close(),
    },
    { highWaterMark: 1 },
  )
}

function stopping(): Response {
  return problem(503, 'stopping', 'The program stops.')
}

function problem(status: number, code: string, detail: string): Response {
  return new Response(JSON.stringify({ type: 'about:blank', title: code, status, code, detail }), {
    status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store' },
  })
}
