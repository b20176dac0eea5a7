/** `npm run bench:locate`: how long it takes to find who holds a submission by the DHT, with many nodes in one process. */

import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p, type Libp2p } from 'libp2p'
import { toHex, u64 } from '../../src/encoding/bytes.ts'
import { taggedHash } from '../../src/encoding/hash.ts'
import { submissionLocator } from '../../src/fragments/formats.ts'
import { createLocate, createMembersDht, type Locate } from '../../src/network/locate.ts'
import { networkKeyOf } from '../../src/network/peer.ts'
import { seededRandom } from '../population/random.ts'
import { percentile, type Row, table } from './table.ts'

const USAGE = `usage: npm run bench:locate -- [--nodes N] [--keys N] [--lookups N] [--away N] [--seed N]

  --nodes N    members in this process (default 50)
  --keys N     submissions that are announced, each by four members (default 50)
  --lookups N  lookups of each kind (default 300)
  --away N     members that are stopped before the last lookups (default 5)
`
/** Members that hold one submission. */
const HOLDERS = 4
/** Announcements under way at once: what a member announces within a second goes together. */
const AT_ONCE = 256

function pick(count: number, of: number, random: () => number): number[] {
  const chosen = new Set<number>()
  while (chosen.size < count) chosen.add(Math.floor(random() * of))
  return [...chosen]
}

interface Member {
  node: Libp2p
  locate: Locate
  stop(): Promise<void>
}

/**
 * Members with the DHT of a node and nothing else. A node's gossip and pings among fifty, a few thousand a second, would fill the
 * process that they all share, and be what is measured.
 */
async function startMember(seed: Uint8Array, isMember: (key: string) => boolean): Promise<Member> {
  const { service, announce } = await createMembersDht(isMember)
  const node = await createLibp2p({
    privateKey: await generateKeyPairFromSeed('Ed25519', seed),
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1000, maxIncomingPendingConnections: 1000 },
    connectionMonitor: { enabled: false },
    services: { identify: identify(), ping: ping(), dht: service },
  })
  return { node, locate: createLocate(node.services.dht, isMember, { own: node.peerId, announce }), stop: async () => await node.stop() }
}

async function startMembers(count: number, seed: number): Promise<Member[]> {
  const keys = new Set<string>()
  const members: Member[] = []
  for (let i = 0; i < count; i++) {
    const member = await startMember(taggedHash('bench-locate', u64(seed), u64(i)), key => keys.has(key))
    keys.add(toHex(networkKeyOf(member.node.peerId) as Uint8Array))
    for (const { node } of members) await member.node.dial(node.getMultiaddrs())
    members.push(member)
    if ((i + 1) % 10 === 0) process.stderr.write(`${i + 1} members connected\n`)
  }
  await until(() => members.every(({ node }) => node.getPeers().length === count - 1))
  return members
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 300_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('the members did not connect to each other within five minutes')
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

interface Lookups {
  first: number[]
  asked: number[]
  missed: number
}

/** Lookups one by one, each from a member that does not hold it, until the first holder is known. */
async function look(
  members: readonly Member[],
  keys: readonly { key: Uint8Array; holders: readonly number[] }[],
  count: number,
  random: () => number,
): Promise<Lookups> {
  const found: Lookups = { first: [], asked: [], missed: 0 }
  for (let i = 0; i < count; i++) {
    const { key, holders } = keys[i % keys.length] as (typeof keys)[number]
    let asker = Math.floor(random() * members.length)
    while (holders.includes(asker)) asker = (asker + 1) % members.length
    let asked = 0
    let isFound = false
    const started = performance.now()
    for await (const _ of (members[asker] as Member).locate.find(key, { limit: 1, onAsk: () => asked++ })) isFound = true
    found.first.push(performance.now() - started)
    found.asked.push(asked)
    if (!isFound) found.missed++
  }
  return found
}

function rowsOf(what: string, { first, asked, missed }: Lookups): Row[] {
  const ms = (share: number): string => `${percentile(first, share).toFixed(1)} ms`
  return [
    {
      what: `${what}, p50`,
      result: ms(0.5),
      conditions: `${first.length} lookups one by one until a holder is known; ${percentile(asked, 0.5)} members asked (p99 ${percentile(asked, 0.99)}), ${missed} found nothing`,
    },
    { what: `${what}, p99`, result: ms(0.99), conditions: 'the same run' },
  ]
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      nodes: { type: 'string', default: '50' },
      keys: { type: 'string', default: '50' },
      lookups: { type: 'string', default: '300' },
      away: { type: 'string', default: '5' },
      seed: { type: 'string', default: '1' },
      help: { type: 'boolean' },
    },
  })
  const [nodes, keyCount, lookups, away, seed] = [values.nodes, values.keys, values.lookups, values.away, values.seed].map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ]
  const isWrong = [nodes, keyCount, lookups, away, seed].some(value => !Number.isSafeInteger(value) || value < 0)
  if (values.help === true || isWrong || nodes < 2 * HOLDERS || keyCount < 1 || away > nodes - 2 * HOLDERS) {
    ;(values.help === true ? process.stdout : process.stderr).write(USAGE)
    return values.help === true ? 0 : 2
  }
  const generator = seededRandom(seed)
  const random = (): number => generator.next()
  process.stderr.write(`starting ${nodes} members and connecting all to all\n`)
  const started = performance.now()
  const members = await startMembers(nodes, seed)
  process.stderr.write(`connected after ${((performance.now() - started) / 1000).toFixed(1)} s; announcing ${keyCount} submissions\n`)
  try {
    // Members at the end stay: they hold and ask when others are away.
    const keys = Array.from({ length: keyCount }, (_, i) => ({
      key: submissionLocator(taggedHash('bench-locate-key', u64(seed), u64(i))),
      holders: pick(HOLDERS, nodes - away, random).map(index => index + away),
    }))
    const announcements = keys.flatMap(({ key, holders }) => holders.map(holder => ({ key, holder })))
    const took: number[] = []
    const announcing = performance.now()
    const queue = announcements.values()
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const { key, holder } of queue) {
          const begun = performance.now()
          await (members[holder] as Member).locate.provide(key)
          took.push(performance.now() - begun)
        }
      }),
    )
    const seconds = (performance.now() - announcing) / 1000
    process.stderr.write('looking up\n')
    const all = await look(members, keys, lookups, random)
    await Promise.all(members.splice(0, away).map(async member => await member.stop()))
    const shifted = keys.map(({ key, holders }) => ({ key, holders: holders.map(index => index - away) }))
    const fewer = await look(members, shifted, lookups, random)
    const cpu = cpus()
    const rows: Row[] = [
      ...rowsOf('lookup', all),
      ...rowsOf(`lookup, ${away} members just gone`, fewer),
      {
        what: 'announcement, p50',
        result: `${percentile(took, 0.5).toFixed(1)} ms`,
        conditions: `${announcements.length} announcements, ${AT_ONCE} at a time, ${(announcements.length / seconds).toFixed(0)} /s: all members share this process`,
      },
      { what: 'announcement, p99', result: `${percentile(took, 0.99).toFixed(1)} ms`, conditions: 'the same run' },
    ]
    process.stdout.write(
      `\n${nodes} members in one process over loopback TCP, all connected, DHT alone; ${cpu.length} cores (${cpu[0]?.model ?? 'unknown'}), Node ${process.version}, seed ${seed}\n\n${table(rows)}\n`,
    )
    return 0
  } finally {
    await Promise.all(members.map(async member => await member.stop()))
  }
}

process.exit(await main())
