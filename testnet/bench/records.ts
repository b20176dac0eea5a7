/** Writing and reading records of several sizes. */
import { listVersions, readVersions } from '../../src/client/get.ts'
import { createLightPeer } from '../../src/client/light-peer.ts'
import { putRecords } from '../../src/client/put.ts'
import { openOwnSession } from '../../src/client/session.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import type { Testnet } from '../launcher/testnet.ts'
import { generateBytes } from '../population/random.ts'
import { openBenchFolder } from './folder.ts'
import { percentile, type Row } from './table.ts'

const CASES = [
  { name: '10 kB', size: 10_000, times: 20 },
  { name: '1 MB', size: 1_000_000, times: 8 },
  { name: '50 MB', size: 50_000_000, times: 2 },
]

export async function measureRecords(net: Testnet, options: { seed: number; progress: (text: string) => void }): Promise<Row[]> {
  const peer = await createLightPeer({ nodes: net.nodes.flatMap(node => node.addresses.slice(0, 1)), genesis: net.genesis })
  const rows: Row[] = []
  try {
    const { person, wallet, address, owned } = await openBenchFolder(net, peer, options.seed)
    for (const { name, size, times } of CASES) {
      options.progress(`measuring records of ${name}`)
      const puts: number[] = []
      const gets: number[] = []
      for (let i = 0; i < times; i++) {
        const content = { size, open: () => generateBytes(options.seed + i, size) }
        const started = performance.now()
        const put = await putRecords(peer, person, address, [{ mediaType: 'application/octet-stream', class: 'other', content }])
        puts.push(performance.now() - started)
        const opened = performance.now()
        const session = await openOwnSession(peer, wallet, owned)
        const { versions } = await listVersions(peer, session, { submission: put.submissionRoot })
        let read = 0
        for await (const version of readVersions(
          peer,
          session,
          versions.filter(({ submission }) => equalBytes(submission.root, put.submissionRoot)),
        )) {
          for await (const piece of version.content) read += piece.length
        }
        gets.push(performance.now() - opened)
        if (read !== size) throw new Error(`read ${read} bytes of ${size}`)
      }
      const rate = (samples: readonly number[]): string => `${(size / 1e6 / (percentile(samples, 0.5) / 1000)).toFixed(1)} MB/s`
      rows.push({
        what: `put ${name}`,
        result: `${percentile(puts, 0.5).toFixed(0)} ms`,
        conditions: `${rate(puts)}, median of ${times}; sealed, 2 of 4, on 4 disks, anchored`,
      })
      rows.push({
        what: `get ${name}`,
        result: `${percentile(gets, 0.5).toFixed(0)} ms`,
        conditions: `${rate(gets)}, median of ${times}; with its access entry, verified`,
      })
    }
    return rows
  } finally {
    await peer.stop()
  }
}
