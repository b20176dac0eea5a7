/**
 * Runs the tests: one process per file, so that no test sees another's globals, open handles or crashes.
 *
 *   node test/run.ts [filter...]     files whose path contains one of the filters; all without
 *
 * A file passes only if it ends by itself with exit code 0 within its limit, printed a uvu summary with at least one test, all of them
 * passed, evaluated at least one assertion, and left no process behind. The last line is `N passed, N failed`.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, sep } from 'node:path'
import { stripVTControlCharacters } from 'node:util'

export interface RunOptions {
  /** Folder that holds `test/`. */
  root: string
  /** Parts of paths; a file runs if its path contains one of them, every file if there is none. */
  filters?: readonly string[]
  /** Longest life of a test process, in milliseconds. */
  limitMs?: number
  /** The same for files under `test/e2e`, which start whole networks. */
  e2eLimitMs?: number
  /** The same for files under `test/simulator`, which run thousands of schedules. */
  simulatorLimitMs?: number
  /** Test processes at a time; end-to-end files always run alone. */
  jobs?: number
  write?: (line: string) => void
}

export interface RunResult {
  files: number
  passed: number
  failed: number
  skipped: number
  assertions: number
}

interface FileResult {
  passed: number
  failed: number
  skipped: number
  assertions: number
  /** Why the file failed, or null. */
  reason: string | null
  output: string
  durationMs: number
}

/** Output kept of one file; the middle of what is longer is dropped. */
const MAX_OUTPUT = 200_000
/** How long the pipes of a process that has ended may stay open: longer means that something it started still runs. */
const DRAIN_MS = 3_000
/** End-to-end tests that measure, or that hold nodes to times: nothing runs beside them. */
const ALONE: ReadonlySet<string> = new Set(['test/e2e/browser.test.ts', 'test/e2e/large.test.ts', 'test/e2e/perturb.test.ts'])
const PRELOAD = join(import.meta.dirname, 'count-assertions.ts')
const COMPILE_CACHE = join(import.meta.dirname, '..', 'node_modules', '.cache', 'compile')

const running = new Set<ChildProcess>()

/** Each test process leads a process group of its own, so that what it started ends with it. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // The group is gone already.
  }
}

/** The number after `name:` in uvu's summary, or null. */
function summaryNumber(output: string, name: string): number | null {
  const found = [...output.matchAll(new RegExp(`^\\s*${name}:\\s+(\\d+)\\s*$`, 'gm'))].at(-1)?.[1]
  return found === undefined ? null : Number(found)
}

/** Lines that a test wants to be seen although it passed: those that begin with `» `. */
function figures(output: string): string[] {
  return stripVTControlCharacters(output)
    .split('\n')
    .filter(line => line.startsWith('» '))
    .map(line => `  ${line}`)
}

/** Judges a finished test process by its exit and by what it printed. */
function judge(output: string, ended: string | null, leftovers: boolean, durationMs: number): FileResult {
  const plain = stripVTControlCharacters(output)
  const total = summaryNumber(plain, 'Total')
  const passed = total === null ? 0 : (summaryNumber(plain, 'Passed') ?? 0)
  const assertions = summaryNumber(plain, 'Assertions') ?? 0
  const skipped = summaryNumber(plain, 'Skipped') ?? 0
  let reason: string | null = null
  if (total === null) reason = ended ?? 'ended without a summary'
  else if (total === 0) reason = 'has no test'
  // uvu swallows an error thrown by a `before` hook and exits with 0: the count gives it away.
  else if (passed < total) reason = `${total - passed} of ${total} did not pass`
  else if (ended !== null) reason = ended
  else if (assertions === 0) reason = 'evaluates no assertion, so it cannot fail'
  else if (leftovers) reason = 'left processes running'
  const failed = reason === null ? 0 : Math.max(1, (total ?? 0) - passed)
  return { passed, failed, skipped, assertions, reason, output, durationMs }
}

function runFile(root: string, file: string, limitMs: number): Promise<FileResult> {
  const startedAt = performance.now()
  return new Promise(resolve => {
    const child = spawn(process.execPath, ['--import', PRELOAD, file], {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      // Test files share most of what they load, and start many commands: each module is stripped of its types and compiled once.
      env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0', NODE_COMPILE_CACHE: COMPILE_CACHE },
    })
    running.add(child)
    let head = ''
    let tail = ''
    const collect = (chunk: string): void => {
      if (head.length < MAX_OUTPUT / 2) head += chunk
      else tail = (tail + chunk).slice(-MAX_OUTPUT / 2)
    }
    child.stdout.setEncoding('utf8').on('data', collect)
    child.stderr.setEncoding('utf8').on('data', collect)
    let ended: string | null = null
    let leftovers = false
    let drain: NodeJS.Timeout | undefined
    const limit = setTimeout(() => {
      ended = `killed after ${limitMs / 1000} s`
      killGroup(child)
    }, limitMs)
    child.on('error', error => {
      ended = `did not start: ${error.message}`
    })
    child.on('exit', (code, signal) => {
      clearTimeout(limit)
      if (code !== 0) ended ??= signal === null ? `exit code ${code}` : `ended by ${signal}`
      drain = setTimeout(() => {
        leftovers = true
        killGroup(child)
        child.stdout.destroy()
        child.stderr.destroy()
      }, DRAIN_MS)
    })
    child.on('close', () => {
      clearTimeout(limit)
      clearTimeout(drain)
      killGroup(child)
      running.delete(child)
      const output = tail === '' ? head : `${head}\n[...]\n${tail}`
      resolve(judge(output, ended, leftovers, performance.now() - startedAt))
    })
  })
}

/** Runs the files under `root`/test that match, prints a line for each and the output of what failed, and counts. */
export async function runTests(options: RunOptions): Promise<RunResult> {
  const { root, filters = [], limitMs = 60_000, e2eLimitMs = 240_000, simulatorLimitMs = 600_000 } = options
  const jobs = options.jobs ?? availableParallelism()
  const write = options.write ?? (line => process.stdout.write(`${line}\n`))
  const isEndToEnd = (file: string): boolean => file.startsWith(`test${sep}e2e${sep}`)
  const isAlone = (file: string): boolean => ALONE.has(file.split(sep).join('/'))
  const isSimulation = (file: string): boolean => file.startsWith(`test${sep}simulator${sep}`)
  const limitOf = (file: string): number => (isEndToEnd(file) ? e2eLimitMs : isSimulation(file) ? simulatorLimitMs : limitMs)
  const files = globSync('test/**/*.test.ts', { cwd: root })
    .filter(file => filters.length === 0 || filters.some(filter => file.includes(filter)))
    .sort()
  const result: RunResult = { files: files.length, passed: 0, failed: 0, skipped: 0, assertions: 0 }
  if (files.length === 0) {
    write(filters.length === 0 ? 'no test file found' : `no test file matches ${filters.join(', ')}`)
    result.failed = 1
  }

  const runQueue = async (queue: string[], width: number): Promise<void> => {
    const work = async (): Promise<void> => {
      for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
        const one = await runFile(root, file, limitOf(file))
        result.passed += one.passed
        result.failed += one.failed
        result.skipped += one.skipped
        result.assertions += one.assertions
        const seconds = `${(one.durationMs / 1000).toFixed(1)} s`
        if (one.reason === null) write([`✔ ${file} (${one.passed}, ${seconds})`, ...figures(one.output)].join('\n'))
        else write(`✘ ${file} (${one.reason}, ${seconds})\n${one.output.trimEnd()}\n`)
      }
    }
    await Promise.all(Array.from({ length: width }, work))
  }
  await runQueue(
    files.filter(file => !isEndToEnd(file)),
    jobs,
  )
  // Commands and nodes of these wait for each other most of the time: two of them fit.
  await runQueue(
    files.filter(file => isEndToEnd(file) && !isAlone(file)),
    Math.min(2, jobs),
  )
  await runQueue(files.filter(isAlone), 1)
  return result
}

if (import.meta.main) {
  const filters = process.argv.slice(2)
  const option = filters.find(filter => filter.startsWith('-'))
  if (option !== undefined) {
    process.stderr.write(`unknown option ${option}; usage: npm test -- [part of a path]...\n`)
    process.exit(2)
  }
  for (const [signal, code] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const]) {
    process.on(signal, () => {
      for (const child of running) killGroup(child)
      process.exit(code)
    })
  }
  const startedAt = performance.now()
  const { files, passed, failed, skipped, assertions } = await runTests({ root: join(import.meta.dirname, '..'), filters })
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  process.stdout.write(`\n${files} files, ${assertions} assertions, ${skipped} skipped, ${seconds} s\n`)
  process.stdout.write(`${passed} passed, ${failed} failed\n`)
  process.exitCode = failed > 0 ? 1 : 0
}
