/**
 * Records outlive their custodians: two die for good, one loses its disk, one has bits flipped; the network mends itself, and two
 * others may die then.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { toHex } from '../../src/encoding/bytes.ts'
import { type Row, table } from '../bench/table.ts'
import { createTestnet, type Testnet } from '../launcher/testnet.ts'
import { waitFor } from '../launcher/wait.ts'
import { type SeededRandom, seededRandom } from '../population/random.ts'
import { Archive } from './archive.ts'
import { flipBits, goodFragments, wipeCustody } from './disks.ts'
import type { Scenario, ScenarioOptions, ScenarioResult } from './scenario.ts'

const VALIDATORS = 4
const CUSTODIANS = 9
const N = 7
const K = 3
const HEARTBEAT_MS = 2_000
const RECORDS = 200
const MIN_BYTES = 1_000
const MAX_BYTES = 20_000_000
/** Share of the files of one custodian in which a bit is flipped. */
const FLIPPED = 0.3
/** Longest time until everything is mended. */
const MENDED_MS = 15 * 60_000
/** Looks in a row, a second apart, that must find nothing to be mended. */
const QUIET_LOOKS = 20
/** Shortest time between two lines about how the mending goes, in ms. */
const SAID_EVERY_MS = 5_000
/** What operators with little data and much doubt would set: all fragments are read through once a minute. */
const CONFIG = { scrubMinutes: 1, scrubBytesPerSecond: 64 * 2 ** 20 }

export const durability: Scenario = {
  name: 'durability',
  about: `${VALIDATORS} validators and ${CUSTODIANS} further custodians, ${RECORDS} records, ${K} of ${N}: two die, a disk is lost, bits flip; then two others die`,
  run: async options => await run(options),
}

/** Reads records picked at random, one after another, until it is told to stop. */
class Reader {
  reads = 0
  readonly failures: string[] = []
  readonly #archive: Archive
  readonly #random: SeededRandom
  readonly #over = new AbortController()
  #work: Promise<void> = Promise.resolve()

  constructor(archive: Archive, random: SeededRandom) {
    this.#archive = archive
    this.#random = random
  }

  start(): void {
    this.#work = this.#loop()
  }

  async #loop(): Promise<void> {
    while (!this.#over.signal.aborted) {
      const record = this.#random.pick(this.#archive.records)
      const code = await this.#archive.read(record)
      this.reads++
      if (code !== null) this.failures.push(`${toHex(record.submissionRoot).slice(0, 8)}: ${code}`)
      await sleep(200)
    }
  }

  async stop(): Promise<void> {
    this.#over.abort()
    await this.#work
  }
}

async function run({ dir, seed, progress }: ScenarioOptions): Promise<ScenarioResult> {
  const random = seededRandom(seed)
  const rows: Row[] = []
  const problems: string[] = []
  const fragments = { n: N, k: K }
  const net = await createTestnet({
    dir: join(dir, 'net'),
    validators: VALIDATORS,
    full: CUSTODIANS,
    seed,
    heartbeatMs: HEARTBEAT_MS,
    fragments,
    config: CONFIG,
  })
  const validators = [...net.nodes.keys()].slice(0, VALIDATORS)
  const [dead1, dead2, wiped, rotten, late1, late2] = shuffled([...net.nodes.keys()].slice(VALIDATORS), random) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const name = (index: number): string => net.nodes[index]?.id as string
  let archive: Archive | undefined
  let reader: Reader | undefined
  try {
    const began = performance.now()
    archive = await Archive.write(net, validators, {
      seed,
      records: RECORDS,
      minBytes: MIN_BYTES,
      maxBytes: MAX_BYTES,
      onProgress: (done, bytes) => {
        if (done % 50 === 0) progress(`${done} of ${RECORDS} records written, ${megabytes(bytes)}`)
      },
    })
    const bytes = archive.records.reduce((sum, { size }) => sum + size, 0)
    rows.push({ what: 'records written', result: `${RECORDS}`, conditions: `${megabytes(bytes)} in ${seconds(performance.now() - began)}` })

    reader = new Reader(archive, random)
    reader.start()
    await Promise.all([dead1, dead2, wiped].map(async index => await net.kill(index)))
    await wipeCustody(net.nodes[wiped]?.home as string)
    await net.restart(wiped)
    const flipped = await flipBits(net.nodes[rotten]?.home as string, FLIPPED, random)
    const broken = performance.now()
    progress(
      `${name(dead1)} and ${name(dead2)} killed, ${name(wiped)} without its disk, bits flipped in ${flipped} files of ${name(rotten)}`,
    )
    rows.push({
      what: 'broken',
      result: '4 of 13',
      conditions: `killed ${name(dead1)}, ${name(dead2)}; wiped ${name(wiped)}; ${flipped} files of ${name(rotten)} with a flipped bit`,
    })

    await mended(net, { archive, dead: [dead1, dead2], rotten, flipped }, progress)
    const mendedMs = performance.now() - broken
    rows.push({
      what: 'mended',
      result: seconds(mendedMs),
      conditions: 'until every custodian that lives has all of its fragments, without an operator',
    })

    await Promise.all([late1, late2].map(async index => await net.kill(index)))
    progress(`${name(late1)} and ${name(late2)} killed as well; reading everything`)
    await reader.stop()
    rows.push({
      what: 'reads meanwhile',
      result: `${reader.reads}`,
      conditions: `${reader.failures.length} failed${reader.failures.length === 0 ? '' : `: ${reader.failures.slice(0, 5).join(', ')}`}`,
    })
    problems.push(...reader.failures.map(failure => `a read failed meanwhile: ${failure}`))
    const readFrom = performance.now()
    const failures = await archive.readAll({
      onProgress: done => (done % 50 === 0 ? progress(`${done} of ${RECORDS} records read`) : undefined),
    })
    rows.push({
      what: 'then two others dead',
      result: `${RECORDS - failures.length} of ${RECORDS}`,
      conditions: `records read after ${name(late1)} and ${name(late2)} died, in ${seconds(performance.now() - readFrom)}`,
    })
    problems.push(...failures.map(failure => `not readable in the end: ${failure}`))

    await net.stop()
    progress('counting fragments on the disks')
    const counts = await countGood(net, [dead1, dead2], archive)
    rows.push({
      what: 'good fragments',
      result: `${counts.least} to ${counts.most}`,
      conditions: `of each record, counted on the disks of all but ${name(dead1)} and ${name(dead2)}; ${N} are wanted`,
    })
    if (counts.least < N) problems.push(`some records have only ${counts.least} good fragments of ${N}`)
    return { rows, problems, summary: `${table(rows)}\n` }
  } finally {
    await reader?.stop()
    await archive?.stop()
    await net.stop()
  }
}

interface Broken {
  archive: Archive
  dead: readonly number[]
  /** Node on whose disk bits were flipped, and in how many files. */
  rotten: number
  flipped: number
}

/**
 * Waits until the ledger counts the dead out, what is rotten was found, and every custodian that lives holds whole what the ledger
 * places there.
 */
async function mended(net: Testnet, { archive, dead, rotten, flipped }: Broken, progress: (text: string) => void): Promise<void> {
  const alive = [...net.nodes.keys()].filter(index => !dead.includes(index))
  const accounts = dead.map(index => toHex(net.nodes[index]?.account as Uint8Array))
  let said = ''
  let saidMs = 0
  let quiet = 0
  /** Ends of readings of the rotten disk since: the second of them began after the bits were flipped. */
  const readings = new Set<number>()
  const since = Date.now()
  await waitFor(
    async () => {
      const present = await archive.custodians()
      const custody = await Promise.all(alive.map(async index => (await net.status(index))?.custody ?? null))
      const missing = custody.reduce((sum, each) => sum + (each?.missing ?? 0), 0)
      const { corruptFound: found = 0, lastScrub = 0 } = custody[alive.indexOf(rotten)] ?? {}
      if (lastScrub > since) readings.add(lastScrub)
      const out = accounts.filter(account => !present.has(account)).length
      const looked = custody.filter(each => each?.looked === true).length
      const text = `${out} of ${dead.length} dead are out; ${found} of ${flipped} flipped bits found; ${missing} submissions missing or damaged; ${looked} of ${alive.length} have looked`
      if (text !== said && performance.now() - saidMs >= SAID_EVERY_MS) {
        progress(text)
        said = text
        saidMs = performance.now()
      }
      const isMended = out === dead.length && readings.size >= 2 && missing === 0 && looked === alive.length
      // A custodian that takes another's place needs a moment to see that it does.
      quiet = isMended ? quiet + 1 : 0
      return quiet >= QUIET_LOOKS ? true : null
    },
    { timeoutMs: MENDED_MS, everyMs: 1_000, what: 'all fragments being whole again' },
  )
}

async function countGood(net: Testnet, dead: readonly number[], archive: Archive): Promise<{ least: number; most: number }> {
  const indices = new Map(archive.records.map(({ submissionRoot }) => [toHex(submissionRoot), new Set<number>()]))
  for (const [index, { home }] of net.nodes.entries()) {
    if (dead.includes(index)) continue
    for (const [root, whole] of await goodFragments(home)) for (const each of whole) indices.get(root)?.add(each)
  }
  const counts = [...indices.values()].map(({ size }) => size)
  return { least: Math.min(...counts), most: Math.max(...counts) }
}

function shuffled<T>(items: readonly T[], random: SeededRandom): T[] {
  const rest = [...items]
  return items.map(() => rest.splice(random.int(0, rest.length - 1), 1)[0] as T)
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
