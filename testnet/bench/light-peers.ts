/** `npm run bench -- --light-peers`: a thousand light peers on one node of four: what each costs the node, and what it costs itself. */
import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { genesisCodec } from '../../src/contracts/members-formats.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { createTestnet } from '../launcher/testnet.ts'
import type { Told } from './light-peers-worker.ts'
import { percentile, type Row } from './table.ts'

const WORKER = join(import.meta.dirname, `light-peers-worker${extname(import.meta.filename)}`)
const PEERS = 1_000
const WORKERS = 4
const SECONDS = 30
/** Time between blocks: every peer is told of each. */
const HEARTBEAT_MS = 5_000
/** Clock ticks of a second in /proc/pid/stat, and bytes of a page. */
const TICKS = 100
const PAGE_BYTES = 4096

interface Used {
  cpuMs: number
  rssBytes: number
}

/** What a process has used, by proc(5). */
function usedBy(pid: number): Used {
  const line = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  return { cpuMs: ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS, rssBytes: Number(fields[21]) * PAGE_BYTES }
}

export async function measureLightPeers(dir: string, options: { seed: number; progress: (text: string) => void }): Promise<Row[]> {
  const { seed, progress } = options
  progress('starting four validators')
  await using net = await createTestnet({
    dir,
    validators: 4,
    seed,
    heartbeatMs: HEARTBEAT_MS,
    config: { lightConnections: PEERS + 100 },
    logLevel: 'warn',
  })
  const pid = net.nodes[0]?.pid as number
  const address = net.nodes[0]?.addresses[0] as string
  const alone = await during(pid, SECONDS)
  const workers: ChildProcess[] = []
  try {
    progress(`connecting ${PEERS} light peers in ${WORKERS} processes`)
    const startMs = performance.now()
    const genesis = toHex(genesisCodec.encode(net.genesis))
    const connected = await Promise.all(
      Array.from({ length: WORKERS }, async () => {
        const child = fork(WORKER)
        workers.push(child)
        child.send({ task: { address, genesis, peers: PEERS / WORKERS } })
        return await toldBy(child)
      }),
    )
    const connectMs = performance.now() - startMs
    progress(`${SECONDS} s of blocks and reads`)
    const before = usedBy(pid)
    const done = Promise.all(
      workers.map(async child => {
        child.send({ seconds: SECONDS })
        return await toldBy(child)
      }),
    )
    const beginMs = performance.now()
    await sleep(SECONDS * 1000)
    const after = usedBy(pid)
    const spanMs = performance.now() - beginMs
    const told = await done
    const samples = told.flatMap(one => one.samples)
    const firsts = connected.flatMap(one => one.samples)
    const cpu = ((after.cpuMs - before.cpuMs) / spanMs) * 100
    const own = told.reduce((sum, one, i) => sum + one.cpuMs - (connected[i]?.cpuMs ?? 0), 0)
    const failures = told.reduce((sum, one) => sum + one.failures, 0)
    const codes = [...new Set(told.flatMap(one => Object.keys(one.codes)))].join(', ')
    const heads = told.reduce((sum, one) => sum + one.heads, 0)
    const rss = told.reduce((sum, one) => sum + one.rssBytes, 0)
    const ofAll = `${PEERS} peers in ${WORKERS} processes beside the nodes on this machine`
    const row = (what: string, result: string, conditions: string): Row => ({ what, result, conditions })
    return [
      row(
        'all connected and verified from genesis',
        `${(connectMs / 1000).toFixed(1)} s`,
        `${ofAll}; each after ${percentile(firsts, 0.5).toFixed(0)} ms (p50), ${percentile(firsts, 0.99).toFixed(0)} ms (p99)`,
      ),
      row(
        'memory of the node per peer',
        `${((after.rssBytes - alone.rssBytes) / PEERS / 1000).toFixed(0)} kB`,
        `${mb(alone.rssBytes)} without peers, ${mb(after.rssBytes)} with them`,
      ),
      row(
        'CPU of the node per peer',
        `${((cpu - alone.cpu) / PEERS).toFixed(4)} %`,
        `of a core; ${alone.cpu.toFixed(1)} % without peers, ${cpu.toFixed(1)} % with them, each told of a block every 5 s and reading every 10 s`,
      ),
      row(
        'proven read',
        `${percentile(samples, 0.5).toFixed(1)} ms`,
        `p50 of ${samples.length}, p99 ${percentile(samples, 0.99).toFixed(0)} ms`,
      ),
      row('headers verified', String(heads), `in ${SECONDS} s by all of them; ${failures} failures${codes === '' ? '' : `: ${codes}`}`),
      row('memory of a peer itself', `${(rss / PEERS / 1000).toFixed(0)} kB`, `of its process, ${PEERS / WORKERS} in each`),
      row(
        'CPU of a peer itself',
        `${((own / spanMs / PEERS) * 100).toFixed(4)} %`,
        `of a core: the generator's own cost, ${((own / spanMs) * 100).toFixed(0)} % for all`,
      ),
    ]
  } finally {
    for (const child of workers) child.kill()
  }
}

async function during(pid: number, seconds: number): Promise<{ cpu: number; rssBytes: number }> {
  const before = usedBy(pid)
  const startMs = performance.now()
  await sleep(seconds * 1000)
  const after = usedBy(pid)
  return { cpu: ((after.cpuMs - before.cpuMs) / (performance.now() - startMs)) * 100, rssBytes: after.rssBytes }
}

async function toldBy(child: ChildProcess): Promise<Told> {
  return await new Promise((resolve, reject) => {
    child.once('message', resolve as (message: unknown) => void)
    child.once('exit', code => reject(new Error(`a generator of light peers ended with ${code}`)))
  })
}

function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`
}
