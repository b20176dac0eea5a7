/** The folder of a node: what lies where, and that one process at a time uses it. */
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { EpioneError } from '../encoding/errors.ts'
import { processStart } from './process-start.ts'

export interface HomePaths {
  readonly root: string
  readonly config: string
  readonly genesis: string
  readonly keystore: string
  readonly identity: string
  readonly keyring: string
  readonly staff: string
  readonly folders: string
  readonly chain: string
  readonly snapshots: string
  readonly custody: string
  readonly fragments: string
  readonly consensus: string
  readonly lock: string
  /** Address and process of a running node. */
  readonly running: string
}

export function homePaths(root: string): HomePaths {
  const at = (name: string): string => join(root, name)
  return {
    root,
    config: at('config.yaml'),
    genesis: at('genesis.json'),
    keystore: at('node.keystore'),
    identity: at('identity.keystore'),
    keyring: at('keyring.json'),
    staff: at('staff.json'),
    folders: at('folders'),
    chain: at('data/chain'),
    snapshots: at('data/snapshots'),
    custody: at('data/custody'),
    fragments: at('data/fragments'),
    consensus: at('data/consensus'),
    lock: at('node.lock'),
    running: at('running.json'),
  }
}

/** Whether the process that wrote a lock still runs: its id alone may have been given to another since. */
async function holds(lock: string): Promise<number | null> {
  const [pid, start] = lock.trim().split(' ')
  const id = Number(pid)
  if (!Number.isInteger(id) || id < 1 || start === undefined) return null
  return (await processStart(id)) === start.replaceAll('_', ' ') ? id : null
}

/** Takes the folder for this process; gives back what releases it. @throws EpioneError `home-locked` */
export async function lockHome(paths: HomePaths): Promise<() => Promise<void>> {
  await mkdir(paths.root, { recursive: true, mode: 0o700 })
  for (let attempt = 0; attempt < 2; attempt++) {
    // Linked into place with the id already in it: nobody ever sees an empty lock and takes it for a stale one.
    const own = `${paths.lock}.${process.pid}`
    const start = (await processStart(process.pid)) ?? 'unknown'
    await writeFile(own, `${process.pid} ${start.replaceAll(' ', '_')}\n`, { mode: 0o600 })
    try {
      await link(own, paths.lock)
      return async () => await rm(paths.lock, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const pid = await holds(await readFile(paths.lock, 'utf8').catch(() => ''))
      if (pid !== null) {
        throw new EpioneError(
          'home-locked',
          `Another node (process ${pid}) uses ${paths.root}. Stop it first, or give this one a home of its own with --home.`,
        )
      }
      await rm(paths.lock, { force: true })
    } finally {
      await rm(own, { force: true })
    }
  }
  throw new EpioneError('home-locked', `The lock ${paths.lock} cannot be taken.`)
}
