/** When a process began: with its id, what tells it from a later process that was given the same id. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/**
 * A text that no other process with this id ever has: on Linux the clock ticks from boot to the start of the process
 * (proc(5), field 22), elsewhere the time as `ps` prints it. Null where no such process runs; one that has ended and was not
 * collected by its parent yet does not run.
 */
export async function processStart(pid: number): Promise<string | null> {
  if (process.platform === 'linux') return await linuxStart(pid)
  if (process.platform === 'win32') return isAlive(pid) ? 'unknown' : null
  try {
    const { stdout } = await run('ps', ['-o', 'stat=,lstart=', '-p', String(pid)])
    const [, state, start] = /^\s*(\S+)\s+(.+?)\s*$/.exec(stdout) ?? []
    return state === undefined || start === undefined || state.startsWith('Z') ? null : start
  } catch {
    return null
  }
}

async function linuxStart(pid: number): Promise<string | null> {
  try {
    const line = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The name of the program is in parentheses and may hold anything, parentheses too.
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
    const [state, start] = [fields[0], fields[19]]
    return state === undefined || start === undefined || state === 'Z' || state === 'X' ? null : start
  } catch {
    return null
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
