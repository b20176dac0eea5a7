/**
 * Loaded into a node's process before anything else (`--import`): puts its clock wrong, fills its disk, makes it slow or has it lie, as its
 * file of faults says. The node knows nothing of it: it asks for the time and for the room on the disk as always.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { brokenBuild, LIE_EDITS } from './edits.ts'
import { editSources } from './load-hook.ts'
import { NO_FAULTS, type NodeFaults, readNodeFaults } from './node-faults.ts'
import { BROKEN_VARIABLE, FAULTS_VARIABLE } from './variables.ts'
import type { Lies } from './within/lies.ts'

declare global {
  // Places that edits.ts names ask for it.
  var epioneLies: Lies | undefined
}

/** How often the file is looked at, in ms. */
const LOOK_MS = 100

const path = process.env[FAULTS_VARIABLE]
let faults: NodeFaults = path === undefined ? NO_FAULTS : readNodeFaults(path)
if (path !== undefined) {
  setInterval(() => {
    faults = readNodeFaults(path)
  }, LOOK_MS).unref()
}

const RealDate = Date
globalThis.Date = new Proxy(RealDate, {
  construct: (target, args: unknown[], self) =>
    Reflect.construct(target, args.length === 0 ? [target.now() + faults.clockMs] : args, self) as Date,
  get: (target, name, receiver) =>
    name === 'now' ? () => target.now() + faults.clockMs : (Reflect.get(target, name, receiver) as unknown),
})

const { statfs } = fs.promises
fs.promises.statfs = (async (...args: Parameters<typeof statfs>) => {
  const found = await statfs(...args)
  return faults.diskFull ? Object.assign(found, { bavail: 0, bfree: 0 }) : found
}) as typeof statfs

const { fdatasync } = fs
fs.fdatasync = ((fd: number, done: (error: NodeJS.ErrnoException | null) => void) => {
  fdatasync(fd, error => {
    if (faults.syncMs === 0) done(error)
    else void sleep(faults.syncMs).then(() => done(error))
  })
}) as typeof fdatasync
syncBuiltinESMExports()

const broken = brokenBuild(process.env[BROKEN_VARIABLE] ?? '')
editSources([...LIE_EDITS, ...(broken?.edits ?? [])])
// After the hook: what lies are made with is the node's own code.
const { Lies: Lying } = await import('./within/lies.ts')
globalThis.epioneLies = new Lying(() => faults.lie)
