/** Break-glass: from a clinician's decision to the first byte of the emergency summary. */
import { openEmergency } from '../../src/client/emergency.ts'
import { depositShares } from '../../src/client/emergency-deposit.ts'
import { listVersions, readVersions } from '../../src/client/get.ts'
import { personFromSeeds } from '../../src/client/identity.ts'
import { createLightPeer, type LightPeer } from '../../src/client/light-peer.ts'
import { putRecords } from '../../src/client/put.ts'
import { toHex, u64 } from '../../src/encoding/bytes.ts'
import { taggedHash } from '../../src/encoding/hash.ts'
import type { Testnet } from '../launcher/testnet.ts'
import { generateBytes } from '../population/random.ts'
import { openBenchFolder } from './folder.ts'
import { percentile, type Row } from './table.ts'

/** Times it is measured: each by another clinician, for one opens so many a day. */
const TIMES = 20
const SIZE = 10_000

export async function measureEmergency(
  net: Testnet,
  { seed, progress }: { seed: number; progress: (text: string) => void },
): Promise<Row[]> {
  const nodes = net.nodes.flatMap(node => node.addresses.slice(0, 1))
  await using peer = await createLightPeer({ nodes, genesis: net.genesis })
  const folder = await openBenchFolder(net, peer, seed, { label: 'emergency-summary' })
  const content = { size: SIZE, open: () => generateBytes(seed, SIZE) }
  await putRecords(peer, folder.person, folder.address, [{ mediaType: 'application/octet-stream', class: 'other', content }])
  const deposited = await timed(async () => await depositShares(peer, folder.wallet, folder.owned))
  progress('breaking the glass')
  const opened: number[] = []
  const first: number[] = []
  for (let i = 0; i < TIMES; i++) {
    const [signingSeed, sealingSeed] = ['signing', 'sealing'].map(name => taggedHash(`bench-doctor-${name}`, u64(seed), u64(i)))
    const node = net.nodes[1]
    if (node === undefined || signingSeed === undefined || sealingSeed === undefined) throw new Error('the testnet lacks a second node')
    const person = personFromSeeds({ organisation: node.account, role: 'emergency-physician', signingSeed, sealingSeed })
    await net.addStaff(1, { key: toHex(person.signing.publicKey), role: person.role })
    const started = performance.now()
    const session = await openEmergency(peer, person, folder.owned.id, { reason: 'unconscious' })
    opened.push(performance.now() - started)
    await firstByte(peer, session)
    first.push(performance.now() - started)
  }
  const row = (what: string, samples: readonly number[], conditions: string): Row => ({
    what,
    result: `${percentile(samples, 0.5).toFixed(0)} ms`,
    conditions: `p99 ${percentile(samples, 0.99).toFixed(0)} ms, ${samples.length} times; ${conditions}`,
  })
  return [
    row('deposit of shares', [deposited], 'one act on the ledger, a share at each custodian'),
    row('break-glass to the key', opened, 'entry committed, 2 of 4 shares released on it and combined'),
    row('break-glass to first byte', first, 'and the list, and the record verified so far'),
  ]
}

async function firstByte(peer: LightPeer, session: Parameters<typeof listVersions>[1]): Promise<void> {
  const { versions } = await listVersions(peer, session)
  for await (const version of readVersions(peer, session, versions)) for await (const _ of version.content) return
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await act()
  return performance.now() - started
}
