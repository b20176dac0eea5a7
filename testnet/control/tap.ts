/** Reads what one node tells of its network for as long as it is wanted, through the node's ends and starts. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { NetworkView, ViewEvent } from '../../src/gateway/network-view.ts'

const RETRY_MS = 500
/** Nodes say something every second. */
const SILENCE_MS = 15_000
const MAX_EVENT_CHARS = 4 * 1024 * 1024

export interface TapHandlers {
  /** After each beginning and after events were lost. */
  onView(view: NetworkView): void
  onEvent(event: ViewEvent): void
}

/** Where a view is, and what who asks must bring. */
export interface TapPlace {
  url: string
  headers?: Record<string, string>
}

/** Resolves when `signal` aborts. @param place asked before each try; what it throws ends the reading */
export async function tapNetwork(
  place: () => Promise<TapPlace> | TapPlace,
  handlers: TapHandlers,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    const { url, headers = {} } = await place()
    try {
      await tapOnce(url, handlers, { signal, headers })
    } catch {
      // It does not run, or ends: asked again until it answers.
    }
    await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined)
  }
}

async function tapOnce(
  url: string,
  { onView, onEvent }: TapHandlers,
  { signal, headers }: { signal: AbortSignal; headers: Record<string, string> },
): Promise<void> {
  const silence = new AbortController()
  const either = AbortSignal.any([signal, silence.signal])
  let timer = setTimeout(() => silence.abort(), SILENCE_MS)
  try {
    const view = async (): Promise<NetworkView> => (await (await ask(`${url}/v1/network`, headers, either)).json()) as NetworkView
    // The stream first, so that nothing falls between it and the view; what is told twice is the same.
    const events = await ask(`${url}/v1/network/events`, headers, either)
    onView(await view())
    for await (const event of readEvents(events.body as ReadableStream<Uint8Array>)) {
      clearTimeout(timer)
      timer = setTimeout(() => silence.abort(), SILENCE_MS)
      if (event === null) continue
      if (event.type === 'gap') onView(await view())
      else onEvent(event)
    }
  } finally {
    clearTimeout(timer)
    silence.abort()
  }
}

async function ask(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
  const response = await fetch(url, { headers, signal })
  if (!response.ok) throw new Error(`${url} answers ${response.status}`)
  return response
}

/** Events of a stream of server-sent events; null for what only says that the connection lives. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ViewEvent | null> {
  let text = ''
  for await (const piece of body.pipeThrough(new TextDecoderStream() as unknown as TransformStream<Uint8Array, string>)) {
    text += piece
    if (text.length > MAX_EVENT_CHARS) throw new Error('an event is too long')
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const data = text
        .slice(0, end)
        .split('\n')
        .flatMap(line => (line.startsWith('data: ') ? [line.slice('data: '.length)] : []))
      text = text.slice(end + 2)
      yield data.length === 0 ? null : (JSON.parse(data.join('\n')) as ViewEvent)
    }
  }
}
