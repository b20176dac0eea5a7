/** `npm run demo`: the main job on four hospitals in four countries, each a process of its own on this machine. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { EpioneError } from '../../src/encoding/errors.ts'
import { createTestnet, type Testnet } from '../launcher/testnet.ts'
import { DemoFailure, ms, Narrator } from './narrator.ts'
import { tellStory } from './story.ts'

/** The demo gives up after this time, in ms. */
const LIMIT_MS = 60_000

const USAGE = `usage: npm run demo -- [--keep] [--seed N] [--base-port N]

  --keep         leave the network up afterwards and print its addresses
  --seed N       another patient and other keys (default 7)
  --base-port N  first of the 40 ports that are used (default: a free range)
`

async function main(): Promise<number> {
  let values: { keep?: boolean; seed?: string; 'base-port'?: string; help?: boolean }
  try {
    values = parseArgs({
      options: { keep: { type: 'boolean' }, seed: { type: 'string' }, 'base-port': { type: 'string' }, help: { type: 'boolean' } },
    }).values
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n${USAGE}`)
    return 2
  }
  if (values.help === true) {
    process.stdout.write(USAGE)
    return 0
  }
  const seed = Number(values.seed ?? 7)
  const basePort = values['base-port'] === undefined ? undefined : Number(values['base-port'])
  if (!Number.isSafeInteger(seed) || (basePort !== undefined && !Number.isSafeInteger(basePort))) {
    process.stderr.write(`--seed and --base-port take whole numbers\n${USAGE}`)
    return 2
  }
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => interrupted.abort(new DemoFailure('the demo was left to run to its end')))
  const limit = AbortSignal.timeout(LIMIT_MS)
  const signal = AbortSignal.any([interrupted.signal, limit])
  return await run({ seed, basePort, keep: values.keep === true, signal, limit })
}

async function run(options: { seed: number; basePort?: number; keep: boolean; signal: AbortSignal; limit: AbortSignal }): Promise<number> {
  const narrator = new Narrator(line => process.stdout.write(`${line}\n`))
  const dir = await mkdtemp(join(tmpdir(), 'epione-demo-'))
  let net: Testnet | undefined
  let code = 1
  try {
    narrator.step('Four hospitals in four countries form a network: each a validator, a custodian, a process')
    net = await createTestnet({
      dir,
      validators: 4,
      seed: options.seed,
      basePort: options.basePort,
      signal: options.signal,
      detached: options.keep,
    })
    for (const node of net.nodes) narrator.say(`${node.name} (${node.jurisdiction}), process ${node.pid}, ${node.addresses[0]}`)
    narrator.say(`connected and in agreement after ${ms(narrator.elapsedMs())}`)
    await tellStory(net, narrator, { seed: options.seed, signal: options.signal })
    narrator.say('')
    narrator.say(`Everything held, in ${(narrator.elapsedMs() / 1000).toFixed(1)} s.`)
    code = 0
  } catch (error) {
    process.stdout.write('\n')
    process.stderr.write(`The demo failed. ${reason(error, options.limit)}\n`)
    process.stderr.write(`The nodes' logs are in ${dir}.\n`)
  }
  if (options.keep && code === 0 && net !== undefined) {
    for (const node of net.nodes) narrator.say(`${node.name}: ${node.pid === null ? 'killed' : node.addresses.join('  ')}`)
    narrator.say(`The network stays up, in ${dir}. Look at it with: npx epione testnet status --dir ${dir}`)
    narrator.say(`Stop it with: npx epione testnet down --clean --dir ${dir}`)
    await net.leave()
    return code
  }
  await net?.stop()
  if (code === 0) await rm(dir, { recursive: true, force: true })
  return code
}

function reason(error: unknown, limit: AbortSignal): string {
  if (limit.aborted) return `It did not end within ${LIMIT_MS / 1000} s.`
  if (error instanceof EpioneError) return `${error.message} (${error.code})`
  if (process.env.EPIONE_DEBUG === '1' && error instanceof Error) return error.stack ?? error.message
  return error instanceof Error ? error.message : String(error)
}

process.exit(await main())
