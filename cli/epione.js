#!/usr/bin/env node
/**
 * Starts `epione` on a Node.js that can run it. This file alone must run on old versions: no types, no syntax newer
 * than Node 14.
 *
 * On Node 24 or newer the program is loaded at once. On an older one it is started on the Node that the package `node` brings, or on
 * that of EPIONE_NODE, with the same arguments, streams and signals. Without either: a plain sentence and exit code 3.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import nodeModule, { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NEEDED = 24

/** The Node binary of the package `node`, or null where the package or its binary is missing. */
function bundledNode() {
  try {
    const home = dirname(createRequire(import.meta.url).resolve('node/package.json'))
    const binary = join(home, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
    return existsSync(binary) ? binary : null
  } catch {
    return null
  }
}

function fail(reason) {
  const fix =
    'run "npm ci" with install scripts allowed (npm 12: "npm install-scripts approve node" first), ' +
    `install Node.js ${NEEDED} or newer, or name its binary in EPIONE_NODE`
  const message = `epione needs Node.js ${NEEDED} or newer and this is ${process.versions.node}; ${reason}: ${fix}`
  if (process.argv.includes('--json')) {
    const error = { code: 'node-version', message, metadata: { found: process.versions.node, needed: NEEDED }, exitCode: 3 }
    process.stderr.write(`${JSON.stringify({ schemaVersion: 1, error })}\n`)
  } else {
    process.stderr.write(`error: ${message} (node-version)\n`)
  }
  process.exitCode = 3
}

if (Number(process.versions.node.split('.')[0]) >= NEEDED) {
  delete process.env.EPIONE_LAUNCHED
  // What was compiled once need not be compiled at each command: halves what a command costs.
  nodeModule.enableCompileCache()
  await import('./main.ts')
} else {
  const named = process.env.EPIONE_NODE
  const binary = named || bundledNode()
  if (process.env.EPIONE_LAUNCHED === '1') {
    fail(`${named || 'the bundled one'} is too old as well`)
  } else if (binary === null) {
    fail('the one that the package brings is missing')
  } else {
    let child
    // Before the start: a signal that comes while the program starts must reach it, and not end this process alone.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.on(signal, () => child.kill(signal))
    }
    // The mark keeps an EPIONE_NODE that is old itself from starting this file for ever.
    child = spawn(binary, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
      stdio: 'inherit',
      env: { ...process.env, EPIONE_LAUNCHED: '1' },
    })
    child.on('error', error => fail(`${binary} does not start (${error.code})`))
    child.on('exit', (code, signal) => {
      if (signal === null) {
        process.exitCode = code
        return
      }
      // Ends as the child ended, so that a shell sees the same.
      process.removeAllListeners(signal)
      process.kill(process.pid, signal)
    })
  }
}
