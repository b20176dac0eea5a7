/** What a command's body is given beside its own arguments, and how a body is tied to its declaration. */
import type { Command } from 'commander'
import type { ExitCode } from './exit-codes.ts'
import { createOutput, type Output } from './output.ts'

/** The process as the program sees it; tests may give another. */
export interface Host {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal
  /** What the process will end with. */
  exitCode: ExitCode
}

/** Options that every command takes. */
export interface GlobalOptions {
  json?: boolean
  quiet?: boolean
  home?: string
  passphraseFile?: string
  /** Multiaddrs of nodes to speak to. */
  peer?: readonly string[]
  /** Keystore of a person's keys. */
  identity?: string
  /** Wallet file. */
  wallet?: string
}

export interface Context {
  readonly env: Host['env']
  readonly stdin: Host['stdin']
  /** For commands that draw on a terminal; what a command answers goes through {@link output}. */
  readonly stdout: Host['stdout']
  readonly signal: AbortSignal
  readonly output: Output
  readonly globals: GlobalOptions
}

/** The body of a command: arguments as declared, a `null` or absent one undefined. An exit code other than 0 may be returned. */
export type Body<Options, Args extends readonly unknown[]> = (
  context: Context,
  options: Options,
  ...args: Args
  // biome-ignore lint/suspicious/noConfusingVoidType: a body that returns nothing is the common case
) => Promise<ExitCode | void>

export function createContext(host: Host, globals: GlobalOptions): Context {
  const { env, stdin, stdout, stderr, signal } = host
  const output = createOutput({
    json: globals.json === true,
    quiet: globals.quiet === true,
    debug: env.EPIONE_DEBUG === '1',
    stdout,
    stderr,
  })
  return { env, stdin, stdout, signal, output, globals }
}

/** Commander's action for a body that is loaded when it is needed, so that help and errors of usage load nothing. */
export function action<Options, Args extends readonly unknown[]>(
  host: Host,
  load: () => Promise<Body<Options, Args>>,
): (this: Command, ...given: unknown[]) => Promise<void> {
  return async function run(...given) {
    const options: GlobalOptions = this.optsWithGlobals()
    const body = await load()
    // Commander appends the command's options and the command itself to the arguments.
    const args = given.slice(0, -2) as unknown as Args
    host.exitCode = (await body(createContext(host, options), options as Options, ...args)) ?? 0
  }
}
