/** A process that simulates the portions it is given. */
import { runSchedules } from './batch.ts'
import type { PlanOptions } from './plan.ts'

process.on('message', async (portion: { first: number; count: number; plan: PlanOptions }) => {
  process.send?.(await runSchedules(portion.first, portion.count, portion.plan))
})
