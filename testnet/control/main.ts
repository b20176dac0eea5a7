/** `node testnet/control/main.ts <folder>`: minds the testnet in a folder; `epione testnet up` starts it. */
import { mind } from './minder.ts'

const dir = process.argv[2]
if (dir === undefined) {
  process.stderr.write('usage: node testnet/control/main.ts <folder>\n')
  process.exitCode = 2
} else {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stop.abort())
  try {
    await mind(dir, stop.signal)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
