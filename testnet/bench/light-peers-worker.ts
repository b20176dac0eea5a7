/** Some light peers in one process, for `npm run bench -- --light-peers`: connects them, has them wait for blocks and read now and then, and tells what it cost. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createLightPeer, type LightPeer } from '../../src/client/light-peer.ts'
import { genesisCodec } from '../../src/contracts/members-formats.ts'
import { stateKey } from '../../src/contracts/state-keys.ts'
import { parseHex } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'

/** What the worker is told. */
export interface Task {
  address: string
  genesis: string
  peers: number
}

/** What it tells: first when all are connected, then when the time is over. */
export interface Told {
  phase: 'connected' | 'done'
  /** Ms from the start of each peer to its first verified header, or of each proven read. */
  samples: number[]
  heads: number
  failures: number
  /** Failures by code. */
  codes: Record<string, number>
  cpuMs: number
  rssBytes: number
}

/** Peers that are connected at a time. */
const AT_ONCE = 8
/** Pause of a peer between two reads, in ms. */
const READ_EVERY_MS = 10_000

const peers: LightPeer[] = []
const stop = new AbortController()
let heads = 0
let failures = 0
const codes: Record<string, number> = {}

function tell(phase: Told['phase'], samples: number[]): void {
  const { user, system } = process.cpuUsage()
  const told: Told = { phase, samples, heads, failures, codes, cpuMs: (user + system) / 1000, rssBytes: process.memoryUsage.rss() }
  process.send?.(told)
}

async function connect({ address, genesis, peers: count }: Task): Promise<void> {
  const document = genesisCodec.decode(parseHex(genesis) as Uint8Array)
  const samples: number[] = []
  let left = count
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const startMs = performance.now()
      const peer = await createLightPeer({ nodes: [address], genesis: document })
      await peer.head()
      samples.push(performance.now() - startMs)
      peers.push(peer)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  tell('connected', samples)
}

async function live(seconds: number): Promise<void> {
  const samples: number[] = []
  const until = performance.now() + 1000 * seconds
  const guarded = async (act: () => Promise<void>): Promise<void> => {
    try {
      await act()
    } catch (error) {
      if (stop.signal.aborted) return
      failures++
      const code = errorCode(error)
      codes[code] = (codes[code] ?? 0) + 1
    }
  }
  const goesOn = (): boolean => performance.now() < until && !stop.signal.aborted
  await Promise.all(
    peers.flatMap((peer, i) => [
      (async () => {
        for (let height = 0; goesOn(); ) {
          await guarded(async () => {
            height = (await peer.waitAbove(height, { signal: stop.signal })).height
            heads++
          })
        }
      })(),
      (async () => {
        // At times of their own, whenever blocks come.
        for (let dueMs = performance.now() + (READ_EVERY_MS * i) / peers.length; ; dueMs += READ_EVERY_MS) {
          await sleep(Math.max(0, dueMs - performance.now()), undefined, { signal: stop.signal }).catch(() => undefined)
          if (!goesOn()) return
          await guarded(async () => {
            await peer.readOne(stateKey.custodiansHeight())
            // From when it was due: who waits for the one before counts that too.
            samples.push(performance.now() - dueMs)
          })
        }
      })(),
    ]),
  )
  tell('done', samples)
  await Promise.all(peers.map(async peer => await peer.stop()))
  process.disconnect()
}

process.on('message', (message: { task: Task } | { seconds: number }) => {
  const act = 'task' in message ? connect(message.task) : live(message.seconds)
  act.catch((error: unknown) => {
    process.stderr.write(
      `after ${peers.length} peers: ${error instanceof Error ? error.message : String(error)}: ${String((error as Error).cause)}\n`,
    )
    process.exit(1)
  })
})
// The parent is gone: nobody hears the answer.
process.on('disconnect', () => stop.abort())
