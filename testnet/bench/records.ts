/** Writing and reading records of several sizes. */
import { listVersions, readVersions } from '../../src/client/get.ts'
import { createLightPeer, type LightPeer } from '../../src/client/light-peer.ts'
import { putRecords } from '../../src/client/put.ts'
import { openOwnSession, type Session } from '../../src/client/session.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { createTestnet, type Testnet } from '../launcher/testnet.ts'
import { generateBytes } from '../population/random.ts'
import { type BenchFolder, openBenchFolder } from './folder.ts'
import { percentile, type Row } from './table.ts'

interface Case {
  name: string
  size: number
  times: number
}

const SHORT: readonly Case[] = [
  { name: '10 kB', size: 10_000, times: 20 },
  { name: '1 MB', size: 1_000_000, times: 8 },
  { name: '50 MB', size: 50_000_000, times: 2 },
]
const LONG: readonly Case[] = [
  { name: '10 kB', size: 10_000, times: 100 },
  { name: '1 MB', size: 1_000_000, times: 40 },
  { name: '100 MB', size: 100_000_000, times: 5 },
]
/** As in a network in earnest: with a testnet's, audits would take a share of the processors that they take nowhere else. */
export const AUDIT_WINDOW_MS = 300_000
const PAUSED: Case = { name: '10 MB', size: 10_000_000, times: 5 }

interface Progress {
  seed: number
  progress: (text: string) => void
}

/** What one size took: times in ms, and bytes over all writes. */
interface Measured {
  puts: number[]
  gets: number[]
  stored: number
  sent: number
  written: number
}

/** The short table, over a network that runs. */
export async function measureRecords(net: Testnet, options: Progress): Promise<Row[]> {
  const peer = await peerOf(net)
  const rows: Row[] = []
  try {
    const folder = await openBenchFolder(net, peer, options.seed)
    for (const { name, size, times } of SHORT) {
      options.progress(`measuring records of ${name}`)
      const { puts, gets } = await measure(peer, folder, { name, size, times }, options.seed)
      rows.push({
        what: `put ${name}`,
        result: `${percentile(puts, 0.5).toFixed(0)} ms`,
        conditions: `${rate(size, puts)}, median of ${times}; sealed, 2 of 4, on 4 disks, anchored`,
      })
      rows.push({
        what: `get ${name}`,
        result: `${percentile(gets, 0.5).toFixed(0)} ms`,
        conditions: `${rate(size, gets)}, median of ${times}; with its access entry, verified`,
      })
    }
    return rows
  } finally {
    await peer.stop()
  }
}

/** The long table: over 4 and 7 custodians, with what is stored and sent, and reads beside a custodian that does not answer. */
export async function measureDispersal(dirOf: (custodians: number) => string, options: Progress): Promise<Row[]> {
  const rows: Row[] = []
  for (const custodians of [4, 7]) {
    options.progress(`starting ${custodians} custodians`)
    const net = await createTestnet({ dir: dirOf(custodians), validators: custodians, seed: options.seed, auditWindowMs: AUDIT_WINDOW_MS })
    try {
      const peer = await peerOf(net)
      try {
        for (const each of LONG) {
          // Each session is an act of the folder, of which there are so many an hour.
          const folder = await openBenchFolder(net, peer, options.seed)
          options.progress(`measuring records of ${each.name} over ${custodians} custodians`)
          rows.push(...rowsOf(custodians, each, await measure(peer, folder, each, options.seed)))
        }
        if (custodians === 4) rows.push(...(await measurePaused(net, await openBenchFolder(net, peer, options.seed), options)))
      } finally {
        await peer.stop()
      }
    } finally {
      await net.stop()
    }
  }
  return rows
}

function rowsOf(custodians: number, { name, size, times }: Case, { puts, gets, stored, sent, written }: Measured): Row[] {
  const k = Math.floor((custodians - 1) / 3) + 1
  const row = (what: string, samples: readonly number[], more: string): Row => ({
    what: `${what} ${name}, ${k} of ${custodians}`,
    result: `${percentile(samples, 0.5).toFixed(0)} ms`,
    conditions: `p99 ${percentile(samples, 0.99).toFixed(0)} ms, ${rate(size, samples)}, ${times} times; ${more}`,
  })
  const perByte = (bytes: number): string => (bytes / written).toFixed(2)
  return [
    row('put', puts, `per byte ${perByte(stored)} stored and ${perByte(sent)} sent in fragments`),
    row('get', gets, 'with its access entry, verified'),
  ]
}

/** What reading takes while one custodian is paused: it takes connections, and never answers. */
async function measurePaused(net: Testnet, folder: BenchFolder, { seed, progress }: Progress): Promise<Row[]> {
  progress('measuring reads beside a custodian that does not answer')
  const [first, session] = await withPeer(net, async peer => [
    await writeOne(peer, folder, PAUSED.size, seed),
    await openOwnSession(peer, folder.wallet, folder.owned),
  ])
  const read = async (peer: LightPeer): Promise<number> => await timed(async () => await readOne(peer, session, first.root))
  const clean: number[] = []
  const stranger: number[] = []
  const knowing: number[] = []
  for (let i = 0; i < PAUSED.times; i++) clean.push(await withPeer(net, read))
  // One of the k that are asked first by who knows nobody.
  const slow = net.nodes.findIndex(({ account }) => equalBytes(account, first.custodians[0] as Uint8Array))
  await net.kill(slow, 'SIGSTOP')
  try {
    for (let i = 0; i < PAUSED.times; i++) {
      await withPeer(
        net,
        async peer => {
          stranger.push(await read(peer))
          knowing.push(await read(peer))
        },
        slow,
      )
    }
  } finally {
    await net.kill(slow, 'SIGCONT')
  }
  const row = (what: string, samples: readonly number[]): Row => ({
    what: `get ${PAUSED.name}, ${what}`,
    result: `${percentile(samples, 0.5).toFixed(0)} ms`,
    conditions: `${(percentile(samples, 0.5) / percentile(clean, 0.5)).toFixed(2)} times what it takes with all of them; ${PAUSED.times} times`,
  })
  return [
    row('all answer, first read', clean),
    row('one does not answer, first read', stranger),
    row('one does not answer, further reads', knowing),
  ]
}

async function measure(peer: LightPeer, folder: BenchFolder, { size, times }: Case, seed: number): Promise<Measured> {
  const measured: Measured = { puts: [], gets: [], stored: 0, sent: 0, written: 0 }
  for (let i = 0; i < times; i++) {
    const started = performance.now()
    const put = await writeOne(peer, folder, size, seed + i)
    measured.puts.push(performance.now() - started)
    measured.stored += put.stored
    measured.sent += put.sent
    measured.written += size
    measured.gets.push(
      await timed(async () => {
        const session = await openOwnSession(peer, folder.wallet, folder.owned)
        const read = await readOne(peer, session, put.root)
        if (read !== size) throw new Error(`read ${read} bytes of ${size}`)
      }),
    )
  }
  return measured
}

async function writeOne(
  peer: LightPeer,
  { person, address }: BenchFolder,
  size: number,
  seed: number,
): Promise<{ root: Uint8Array; stored: number; sent: number; custodians: Uint8Array[] }> {
  const content = { size, open: () => generateBytes(seed, size) }
  const put = await putRecords(peer, person, address, [{ mediaType: 'application/octet-stream', class: 'other', content }])
  const stored = put.custodians.reduce((sum, { bytes, stored: isStored }) => sum + (isStored ? bytes : 0), 0)
  return { root: put.submissionRoot, stored, sent: put.sentBytes, custodians: put.custodians.map(({ id }) => id) }
}

async function readOne(peer: LightPeer, session: Session, root: Uint8Array): Promise<number> {
  const { versions } = await listVersions(peer, session, { submission: root })
  let read = 0
  for await (const version of readVersions(peer, session, versions)) for await (const piece of version.content) read += piece.length
  return read
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await act()
  return performance.now() - started
}

/** A light peer that knows the nodes, but `without` one: which is for custodians to be found, not to be asked about the ledger. */
async function peerOf(net: Testnet, without?: number): Promise<LightPeer> {
  const nodes = net.nodes.filter((_, index) => index !== without).flatMap(node => node.addresses.slice(0, 1))
  return await createLightPeer({ nodes, genesis: net.genesis })
}

async function withPeer<T>(net: Testnet, act: (peer: LightPeer) => Promise<T>, without?: number): Promise<T> {
  const peer = await peerOf(net, without)
  try {
    return await act(peer)
  } finally {
    await peer.stop()
  }
}

function rate(size: number, samples: readonly number[]): string {
  return `${(size / 1e6 / (percentile(samples, 0.5) / 1000)).toFixed(1)} MB/s`
}
