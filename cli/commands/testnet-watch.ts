/** `epione testnet watch` */
import { resolve } from 'node:path'
import type { NetworkView, ViewEvent } from '../../src/gateway/network-view.ts'
import type { Context } from '../context.ts'
import { blockLine, networkScreen } from '../network-table.ts'

const REDRAW_MS = 250
/** How long a line waits for the nodes that have not told of a block yet, in ms. */
const WAIT_MS = 1_500

export async function testnetWatch(context: Context, options: { dir: string; plain?: boolean }): Promise<void> {
  const [{ tapNetwork }, { viewAccess }, { applyEvent }] = await Promise.all([
    import('../../testnet/control/tap.ts'),
    import('../../testnet/control/remote.ts'),
    import('../../src/gateway/view-state.ts'),
  ])
  const dir = resolve(options.dir)
  const { signal, stdout, output } = context
  const draws = stdout.isTTY === true && options.plain !== true && !output.json
  const lines = new Lines(context)
  let view: NetworkView | undefined
  const show = (): void => {
    if (view === undefined) return
    if (draws) draw(stdout, view)
    else lines.blocks(view, Date.now())
  }
  const onEvent = (event: ViewEvent): void => {
    if (view === undefined) return
    view = applyEvent(view, event)
    if (!draws) lines.event(event)
    if (!draws && event.type === 'block') show()
  }
  const timer = setInterval(show, REDRAW_MS)
  if (draws) stdout.write('\x1b[?1049h\x1b[?25l')
  try {
    await tapNetwork(
      async () => await viewAccess(dir),
      {
        onView: seen => {
          view = seen
          show()
        },
        onEvent,
      },
      { signal },
    )
  } finally {
    clearInterval(timer)
    if (draws) stdout.write('\x1b[?25h\x1b[?1049l')
  }
}

function draw(stdout: NodeJS.WriteStream, view: NetworkView): void {
  const lines = networkScreen(view, { rows: (stdout.rows ?? 40) - 1, columns: stdout.columns ?? 120 })
  // Line by line, so that nothing flickers.
  stdout.write(`\x1b[H${lines.map(line => `${line}\x1b[K`).join('\r\n')}\x1b[J`)
}

/** What happens, a line each: for files, pipes and CI. */
class Lines {
  readonly #context: Context
  #told = -1

  constructor(context: Context) {
    this.#context = context
  }

  /** Blocks that every node told of, and those that some have kept waiting. */
  blocks({ blocks, nodes }: NetworkView, nowMs: number): void {
    const top = blocks.at(-1)?.height ?? 0
    if (this.#told < 0) this.#told = top - 1
    const running = nodes.filter(({ reachable }) => reachable === true)
    for (const block of blocks) {
      if (block.height <= this.#told) continue
      const holders = new Set(Object.values(block.hashes ?? {}).flat())
      if (block.height === top && nowMs - block.seenMs < WAIT_MS && running.some(({ id }) => !holders.has(id))) return
      this.#told = block.height
      this.#context.output.item({ type: 'block', block }, () => blockLine(block, nodes))
    }
  }

  event(event: ViewEvent): void {
    const { output } = this.#context
    if (event.type === 'act') output.item(event, () => `act  ${event.act.what}${event.act.error === null ? '' : `: ${event.act.error}`}`)
    if (event.type === 'log') output.item(event, () => `${event.line.node}  ${event.line.level}  ${event.line.code}: ${event.line.text}`)
  }
}
