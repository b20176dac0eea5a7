/** `npm run hidden`: whether a reader without access can tell what is hidden from what never was. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { LightPeer } from '../../src/client/light-peer.ts'
import { createTestnet } from '../launcher/testnet.ts'
import { MAX_ACCURACY, tryAll } from './tries.ts'
import { hiddenWorld } from './world.ts'

const USAGE = `usage: npm run hidden -- [--tries N] [--seed S]

  Starts a network, hides records of a patient from somebody who may read the rest, and has that reader ask for them and for what never was, N times
  in every way that there is. Ends with 1 where a classifier on answers and times is right about more than ${100 * MAX_ACCURACY} % of the tries.
`
const SIZE = { together: 100, alone: 8, consents: 6 }

async function main(): Promise<number> {
  const options = { tries: { type: 'string' }, seed: { type: 'string' }, help: { type: 'boolean' } } as const
  const { values } = parseArgs({ options })
  if (values.help === true) {
    process.stdout.write(USAGE)
    return 0
  }
  const [tries, seed] = [Number(values.tries ?? 1000), Number(values.seed ?? 1)]
  const dir = await mkdtemp(join(tmpdir(), 'epione-hidden-'))
  const peers: LightPeer[] = []
  try {
    await using net = await createTestnet({ dir, validators: 4, seed })
    const world = await hiddenWorld(net, peers, SIZE, seed)
    const results = await tryAll(world, { tries, seed, times: true })
    for (const { name, accuracy, hidden, never } of results) {
      process.stdout.write(
        `${name.padEnd(32)} ${(100 * accuracy).toFixed(1).padStart(5)} %  ${[...new Set([...hidden, ...never])].join(' | ')}\n`,
      )
    }
    const told = results.filter(({ accuracy }) => accuracy > MAX_ACCURACY)
    process.stdout.write(`${results.length} ways to ask, ${tries} tries each: ${told.length} of them tell more than they may\n`)
    return told.length === 0 ? 0 : 1
  } finally {
    await Promise.all(peers.map(async peer => await peer.stop()))
    await rm(dir, { recursive: true, force: true })
  }
}

process.exitCode = await main()
