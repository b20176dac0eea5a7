/** Simulates from a seed on until something breaks; prints what broke. Run in a copy of the sources that holds a planted defect. */
import { runSchedules } from './batch.ts'

const [seed, schedules] = process.argv.slice(2).map(Number)
const tally = await runSchedules(seed ?? 1, schedules ?? 1, { until: ({ failures }) => failures.length > 0 })
process.stdout.write(JSON.stringify({ killed: tally.failures[0] ?? null, schedules: tally.schedules }))
