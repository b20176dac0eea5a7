/**
 * Fuzzes every decoder: `npm run fuzz -- [--inputs N] [--seed S] [--room ROOM]...`. Exit code 1 where something broke; the seed and the
 * input are printed.
 */
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { describe, fuzz } from './fuzz.ts'

const USAGE = 'usage: npm run fuzz -- [--inputs N] [--seed S] [--room ROOM]...\n'

function natural(text: string, name: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  process.stderr.write(`--${name} is a natural number\n${USAGE}`)
  process.exit(2)
}

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '10000000' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    room: { type: 'string', multiple: true },
  },
})
const seed = natural(values.seed, 'seed')
const startedMs = performance.now()
const report = await fuzz({ seed, inputs: natural(values.inputs, 'inputs'), rooms: values.room })
const seconds = (performance.now() - startedMs) / 1000
process.stdout.write(`${describe(report)}\nseed ${seed}, ${seconds.toFixed(1)} s, ${Math.round(report.inputs / seconds)} inputs/s\n`)
process.exitCode = report.failures.length > 0 || report.inputs === 0 ? 1 : 0
