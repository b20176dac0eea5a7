/**
 * Preloaded into every test process by run.ts: counts the assertions that uvu/assert evaluates and writes the count as the last
 * line. A test file that asserts nothing cannot fail, and uvu by itself does not notice.
 */
import { writeSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { isMainThread } from 'node:worker_threads'

const counter = { count: 0 }
Object.assign(globalThis, { [Symbol.for('epione.assertions')]: counter })

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    if (!url.endsWith('/uvu/assert/index.mjs')) return loaded
    const source = String(loaded.source)
    const counted = source.replace(
      'function assert(bool, actual, expects, operator, detailer, backup, msg) {',
      match => `${match} globalThis[Symbol.for('epione.assertions')].count++;`,
    )
    if (counted === source) throw new Error('uvu/assert has changed: test/count-assertions.ts no longer finds its assert function')
    return { ...loaded, source: counted }
  },
})

// Processes that a test starts inherit neither the preload nor the variable's value.
if (isMainThread) process.on('exit', () => writeSync(1, `\n  Assertions: ${counter.count}\n`))
