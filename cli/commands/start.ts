/** `epione start` */
import { chainId as genesisId } from '../../src/contracts/members-formats.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { type Node, startNode } from '../../src/node/node.ts'
import { publicKeys } from '../../src/node/public-keys.ts'
import { removeRunning, writeRunning } from '../../src/node/running.ts'
import type { NodeConfig } from '../../src/node/settings.ts'
import type { Context } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { formatSpan } from '../format.ts'
import { readableLogs } from '../log-lines.ts'
import { openGenesis, openHome, openKeys } from '../node-home.ts'
import { prepareOperations, type RunningOperations } from '../operations.ts'
import { describeError, table } from '../output.ts'

export interface StartOptions {
  /** One line per block even where no terminal shows them. */
  verbose?: boolean
  /** Height from which on a validator votes although the record of what it signed is lost. */
  voteDespiteLostLog?: number
}

/** Connections beside those of light peers: members, and members that come. */
const MEMBER_CONNECTIONS = 256
/** Streams that members alone get, and those of all light peers together: two for each connection, one that waits and one that asks. */
const STREAMS_FOR_MEMBERS = 512
const MIN_LIGHT_STREAMS = 512
const STREAMS_OF_CONNECTION = 2
/** Peers whose budgets are remembered, at least. */
const MIN_REMEMBERED = 4_096
/** Light peers may ask for this many seconds' worth at once. */
const BURST_SECONDS = 2

async function createLogger(level: NodeConfig['logLevel']) {
  const { pino } = await import('pino')
  const options = {
    level: level as string,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  // Written at once: the last lines before a crash are those that matter.
  return process.stderr.isTTY ? pino(options, readableLogs(process.stderr)) : pino(options, pino.destination({ fd: 2, sync: true }))
}

function limitsOf(config: NodeConfig) {
  const connections = Number(config.lightConnections)
  const requests = Number(config.lightRequestsPerSecond)
  const bytes = Number(config.lightBytesPerSecond)
  const streams = Number(config.lightStreams)
  return {
    maxConnections: connections + MEMBER_CONNECTIONS,
    connectionsForMembers: MEMBER_CONNECTIONS,
    streams: STREAMS_FOR_MEMBERS + Math.max(MIN_LIGHT_STREAMS, STREAMS_OF_CONNECTION * connections),
    reservedForMembers: STREAMS_FOR_MEMBERS,
    streamsPerPeer: streams,
    heldPerPeer: Math.ceil(streams / 2),
    peers: Math.max(MIN_REMEMBERED, 2 * connections),
    requestsPerSecond: requests,
    requestBurst: BURST_SECONDS * requests,
    bytesPerSecond: bytes,
    byteBurst: BURST_SECONDS * bytes,
  }
}

/** Resolves when the node is to stop: a signal, or the end of the program that started it with a channel to itself. */
async function untilStopped(signal: AbortSignal): Promise<void> {
  await new Promise<void>(resolve => {
    const stop = (): void => {
      // A listener keeps the channel, and with it the process, alive.
      process.removeListener('disconnect', stop)
      resolve()
    }
    // `connected` is false once a channel that was there has closed, and undefined where there never was one.
    if (signal.aborted || process.connected === false) return resolve()
    signal.addEventListener('abort', stop, { once: true })
    if (process.connected === true) process.once('disconnect', stop)
  })
}

/** Says what the node is and where, then follows its blocks. */
function tell(context: Context, node: Node, { home, operations }: { home: string; operations: string | null }, blocks: boolean): void {
  const { output } = context
  const { name, jurisdiction, peerId, account, network, chainId, height, validator } = node.status()
  const addresses = node.network.addresses()
  const about = { name, jurisdiction, account, peerId, addresses, network, chainId, height, validator, home, operations, pid: process.pid }
  output.item({ type: 'started', ...about }, () =>
    table([
      ['node', `${name}${jurisdiction === '' ? '' : ` (${jurisdiction})`}, ${validator ? 'validator' : 'not a validator'}`],
      ['peer id', peerId],
      ...addresses.map((address, i) => [i === 0 ? 'addresses' : '', address]),
      ['network', `${network}, chain ${chainId}`],
      ['home', home],
      ...(operations === null ? [] : [['operations', `${operations}/metrics, /healthz, /readyz, /network/`]]),
      ['height', String(height)],
    ]).join('\n'),
  )
  if (!blocks) return
  node.chain.onCommit(({ header, candidate }) => {
    const transactions = candidate.transactions.length
    const ageMs = Math.max(0, Date.now() - header.time)
    output.item(
      { type: 'block', height: header.height, time: header.time, transactions, ageMs },
      () => `block ${header.height}  ${transactions} transactions  ${formatSpan(ageMs)} old`,
    )
  })
}

export async function start(context: Context, options: StartOptions): Promise<void> {
  const { config, paths } = await openHome(context, options)
  const genesis = await openGenesis(paths)
  const keys = await openKeys(context, config, paths)
  const serveOperations = await prepareOperations(config)
  const logger = await createLogger(config.logLevel)
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      const { code, message } = describeError(error)
      logger.fatal({ code, stack: error instanceof Error ? error.stack : undefined }, `the node ends: ${message}`)
      process.exit(EXIT.failed)
    })
  }
  context.signal.throwIfAborted()
  const node = await startNode(
    {
      paths,
      genesis,
      keys,
      listen: config.listen as readonly string[],
      announce: config.advertise as readonly string[],
      bootstrap: config.bootstrap as readonly string[],
      voteDespiteLostLog: options.voteDespiteLostLog,
      quotaBytes: config.fragmentQuota as number,
      custody: {
        ...(config.organisationQuota === null ? {} : { organisationQuotaBytes: config.organisationQuota as number }),
        maxVersionBytes: config.recordLimit as number,
        minFreeBytes: config.minFree as number | null,
      },
      repair: { bytesPerSecond: Math.max(1, config.repairBytesPerSecond as number) },
      scrub: {
        everyMs: Math.max(1, config.scrubMinutes as number) * 60_000,
        bytesPerSecond: Math.max(1, config.scrubBytesPerSecond as number),
      },
      maxStateLeaves: config.maxStateLeaves as number,
      limits: limitsOf(config),
      storage: {
        retainBlocks: config.retainBlocks as number,
        retainHours: config.retainHours as number,
        snapshotInterval: config.snapshotInterval as number,
        quotaBytes: config.storageQuota as number,
      },
    },
    { logger },
  )
  let operations: RunningOperations | undefined
  try {
    operations = await serveOperations?.({ node, watched: node, logger })
    const addresses = node.network.addresses()
    await writeRunning(paths.running, { chainId: toHex(genesisId(genesis)), peerId: publicKeys(keys).peerId, addresses })
    logger.info({ home: paths.root, addresses: addresses.join(' '), height: node.status().height, pid: process.pid }, 'started')
    tell(
      context,
      node,
      { home: paths.root, operations: operations?.url ?? null },
      options.verbose === true || process.stdout.isTTY === true,
    )
    await untilStopped(context.signal)
    context.output.note('stopping')
  } finally {
    operations?.server.stopping()
    await removeRunning(paths.running)
    await node.stop()
    await operations?.server.stop()
    logger.info({}, 'stopped')
  }
}
