/** Runs the real command line as a process. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'

export const MAIN = join(import.meta.dirname, '..', '..', 'cli', 'main.ts')
export const LAUNCHER = join(import.meta.dirname, '..', '..', 'cli', 'epione.js')

export interface CliRun {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface CliOptions {
  env?: Record<string, string>
  /** Content of standard input; empty by default, never a terminal. */
  input?: string
  /** What is run instead of main.ts on this Node: binary and leading arguments. */
  program?: readonly string[]
  /** Called with each piece of standard output. */
  onOutput?: (text: string, kill: (signal: NodeJS.Signals) => void) => void
  /** Called once it runs. */
  onStart?: (pid: number, kill: (signal: NodeJS.Signals) => void) => void
}

/** Environment without what would change the program's answers. */
function cleanEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value === undefined || name.startsWith('EPIONE_') || name === 'FORCE_COLOR' || name === 'NODE_OPTIONS' ? [] : [[name, value]],
    ),
  )
}

export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const { env = {}, input = '', program = [process.execPath, MAIN], onOutput, onStart } = options
  return new Promise((resolve, reject) => {
    const child = spawn(program[0]!, [...program.slice(1), ...args], { env: { ...cleanEnvironment(), NO_COLOR: '1', ...env } })
    if (child.pid !== undefined) onStart?.(child.pid, signal => child.kill(signal))
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', text => {
      stdout += text
      onOutput?.(text, signal => child.kill(signal))
    })
    child.stderr.setEncoding('utf8').on('data', text => {
      stderr += text
    })
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
    // The program may end without reading.
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
  })
}
