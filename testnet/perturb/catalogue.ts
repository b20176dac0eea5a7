/** What is done to a network of four validators, and how soon it has to go on. With four, three are a quorum. */
import { availableParallelism, loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LinkState } from '../faults/link.ts'
import { LIMIT_MS, type Stage, type Took } from './stage.ts'

/** One measurement: how long it took until the next block on every honest node that could be reached. */
export interface Measured {
  /** What was done, and when the time began. */
  what: string
  tookMs: Took
  /** Whether it was in time, and nothing else was wrong. */
  good: boolean
  note: string
}

function measured(what: string, tookMs: Took, note = ''): Measured {
  const good = tookMs !== null && tookMs <= LIMIT_MS
  // Whoever looks into a late block wants to know whether the machine was busy with something else.
  const busy = `load average ${loadavg()[0]?.toFixed(1)} on ${availableParallelism()} cores`
  return { what, tookMs, good, note: good ? note : [note, busy].filter(Boolean).join('; ') }
}

/** `node1 and node3`. */
function named(stage: Stage, nodes: readonly number[]): string {
  return nodes.map(index => stage.net.nodes[index]?.id).join(' and ')
}

/** kill -9: the others go on, and it is back with them after its start. */
export async function killOne(stage: Stage, index: number, downMs: number): Promise<Measured[]> {
  const name = named(stage, [index])
  const others = stage.all([index])
  const killedMs = performance.now()
  await stage.kill([index])
  const without = await stage.nextBlock(others, { blocks: 2, sinceMs: killedMs })
  await sleep(downMs)
  await stage.net.restart(index)
  const back = await stage.nextBlock(stage.all(), { blocks: 2, sinceMs: performance.now() })
  return [measured(`kill -9 ${name}: the other three go on`, without), measured(`${name} restarted: all four`, back)]
}

/** SIGSTOP, SIGCONT: the others go on, and it is back with them. */
export async function pauseOne(stage: Stage, index: number, pauseMs: number): Promise<Measured[]> {
  const name = named(stage, [index])
  const pausedMs = performance.now()
  await stage.net.kill(index, 'SIGSTOP')
  const without = await stage.nextBlock(stage.all([index]), { blocks: 2, sinceMs: pausedMs })
  await sleep(Math.max(0, pausedMs + pauseMs - performance.now()))
  const wokenMs = performance.now()
  await stage.net.kill(index, 'SIGCONT')
  const back = await stage.nextBlock(stage.all(), { blocks: 2, sinceMs: wokenMs })
  return [measured(`pause ${name} for ${pauseMs / 1000} s: the other three go on`, without), measured(`${name} continued: all four`, back)]
}

/** A node is cut off from all others, and connected again. */
export async function disconnectOne(
  stage: Stage,
  index: number,
  options: { ms: number; state: Exclude<LinkState, 'open'> },
): Promise<Measured[]> {
  const { ms, state } = options
  const name = named(stage, [index])
  const others = stage.all([index])
  const cutMs = performance.now()
  stage.links.cut([index], state)
  const without = await stage.nextBlock(others, { blocks: 2, sinceMs: cutMs })
  const [alone] = await stage.heights([index])
  await sleep(Math.max(0, cutMs + ms - performance.now()))
  const [still] = await stage.heights([index])
  const healedMs = performance.now()
  stage.links.heal()
  const back = await stage.nextBlock(stage.all(), { blocks: 2, sinceMs: healedMs })
  const how = state === 'cut' ? 'connections reset' : 'packets lost'
  const cutOff = measured(`disconnect ${name} for ${ms / 1000} s, ${how}: the other three go on`, without)
  if (alone !== still) Object.assign(cutOff, { good: false, note: `it went from height ${alone} to ${still} while it was cut off` })
  return [cutOff, measured(`${name} connected again: all four`, back)]
}

/** Two of four killed at once: no block until a third is back. */
export async function killTwo(stage: Stage, pair: readonly [number, number], downMs: number): Promise<Measured[]> {
  const names = named(stage, pair)
  const left = stage.all(pair)
  await stage.kill(pair)
  const halted = await haltedFor(stage, left, downMs)
  const round = Math.max(...(await Promise.all(left.map(async index => (await stage.net.status(index))?.consensus?.round ?? 0))))
  const height = Math.max(...(await stage.heights(left)))
  const started = pair.map(async index => {
    await stage.net.restart(index)
    return { index, sinceMs: performance.now() }
  })
  const first = await Promise.race(started)
  const quorum = stage.reach([...left, first.index], height + 1, first.sinceMs)
  const second = (await Promise.all(started)).reduce((a, b) => (a.sinceMs > b.sinceMs ? a : b))
  const all = stage.nextBlock(stage.all(), { blocks: 1, sinceMs: second.sinceMs })
  const note = `two timeouts of round ${round}: ${(2 * roundMs(stage, round)) / 1000} s`
  const away = measured(`kill -9 ${names} for ${downMs / 1000} s; a third node back: the three`, await quorum, note)
  if (!halted) Object.assign(away, { good: false, note: 'two of four made a block' })
  return [away, measured('the fourth back: all four', await all)]
}

/** Two pairs that do not reach each other: no block until they do. */
export async function splitInHalf(
  stage: Stage,
  pair: readonly [number, number],
  options: { ms: number; state: 'cut' | 'silent' },
): Promise<Measured[]> {
  stage.links.cut(pair, options.state)
  const halted = await haltedFor(stage, stage.all(), options.ms)
  const height = Math.max(...(await stage.heights(stage.all())))
  const healedMs = performance.now()
  stage.links.heal()
  const together = measured(
    `${named(stage, pair)} apart from ${named(stage, stage.all(pair))} for ${options.ms / 1000} s; healed: all four`,
    await stage.reach(stage.all(), height + 1, healedMs),
  )
  return [halted ? together : { ...together, good: false, note: 'two of four made a block' }]
}

/** All killed at once, all started: more than a third come back with nothing but their disks. */
export async function killAll(stage: Stage): Promise<Measured[]> {
  const height = Math.max(...(await stage.heights(stage.all())))
  await stage.kill(stage.all())
  await Promise.all(stage.all().map(async index => await stage.net.restart(index)))
  return [measured('kill -9 all four; all restarted: all four', await stage.reach(stage.all(), height + 2, performance.now()))]
}

/** Each is stopped in turn, as for an upgrade, and started; the next one when it is back. */
export async function rollingRestart(stage: Stage, order: readonly number[] = stage.all()): Promise<Measured[]> {
  const out: Measured[] = []
  for (const index of order) {
    const stoppedMs = performance.now()
    await stage.net.kill(index, 'SIGTERM')
    await stage.witness.look(index, { atRest: true })
    const without = await stage.nextBlock(stage.all([index]), { blocks: 2, sinceMs: stoppedMs })
    await stage.net.restart(index)
    const back = await stage.nextBlock(stage.all(), { blocks: 2, sinceMs: performance.now() })
    const name = named(stage, [index])
    out.push(measured(`stop ${name} (rolling restart): the other three go on`, without), measured(`${name} restarted: all four`, back))
  }
  return out
}

/** Whether nodes that are no quorum make no block for a while. What was all but decided at the moment may still come in. */
async function haltedFor(stage: Stage, nodes: readonly number[], ms: number): Promise<boolean> {
  const untilMs = performance.now() + ms
  await sleep(Math.min(2_000, ms / 4))
  const before = Math.max(...(await stage.heights(nodes)))
  await sleep(Math.max(0, untilMs - performance.now()))
  return Math.max(...(await stage.heights(nodes))) === before
}

/** Sum of a round's three timeouts, in ms. */
function roundMs({ net }: Stage, round: number): number {
  const { proposeTimeoutMs, voteTimeoutMs, timeoutGrowthMs } = net.genesis.parameters
  return proposeTimeoutMs + 2 * voteTimeoutMs + 3 * timeoutGrowthMs * round
}
