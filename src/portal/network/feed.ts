/** The view and its events over HTTP, with a token where one is needed: by `fetch`, for an EventSource sends no header. */
import type { NetworkView, RecordView, ViewEvent } from '../../gateway/network-view.ts'

/** Pause before the view is asked for again where the connection is lost, in ms: the first, and the longest. */
const PAUSES_MS = [500, 1_000, 2_000, 5_000] as const
const MAX_LINE = 4 * 1024 * 1024

export class FeedError extends Error {
  readonly code: string

  constructor(code: string) {
    super(code)
    this.code = code
  }
}

export interface Access {
  token: string | null
}

async function ask(access: Access, path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers)
  if (access.token !== null) headers.set('authorization', `Bearer ${access.token}`)
  const response = await fetch(path, { ...init, headers })
  if (response.ok) return response
  const problem = (await response.json().catch(() => null)) as { code?: unknown } | null
  throw new FeedError(typeof problem?.code === 'string' ? problem.code : `http-${response.status}`)
}

export async function askRecord(access: Access, root: string): Promise<RecordView> {
  return (await (await ask(access, `../v1/network/records/${root}`)).json()) as RecordView
}

/** Has something done to a testnet. @throws FeedError with the code of why it was not */
export async function act(access: Access, what: object): Promise<void> {
  await ask(access, '../v1/acts', { method: 'POST', body: JSON.stringify(what), headers: { 'content-type': 'application/json' } })
}

export interface Listener {
  view(view: NetworkView): void
  event(event: ViewEvent): void
  /** Null while connected. */
  lost(code: string | null): void
}

/** Tells what there is and what comes, until the signal aborts; connects again by itself. */
export async function listen(access: Access, listener: Listener, signal: AbortSignal): Promise<void> {
  for (let tries = 0; !signal.aborted; tries++) {
    try {
      listener.view((await (await ask(access, '../v1/network', { signal })).json()) as NetworkView)
      const { body } = await ask(access, '../v1/network/events', { signal })
      listener.lost(null)
      tries = -1
      if (body !== null) await readEvents(body, listener)
    } catch (error) {
      if (signal.aborted) return
      listener.lost(error instanceof FeedError ? error.code : 'unreachable')
    }
    await new Promise(resolve => setTimeout(resolve, PAUSES_MS[Math.min(Math.max(0, tries), PAUSES_MS.length - 1)]))
  }
}

/** Until the stream ends, or says that something was left out. */
async function readEvents(body: ReadableStream<Uint8Array>, listener: Listener): Promise<void> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader()
  let rest = ''
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      const lines = (rest + value).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > MAX_LINE) throw new FeedError('malformed')
      for (const line of lines) {
        if (!line.startsWith('data: ')) continue
        const event = JSON.parse(line.slice('data: '.length)) as ViewEvent
        if (event.type === 'gap') return
        listener.event(event)
      }
    }
  } finally {
    reader.cancel().catch(() => undefined)
  }
}
