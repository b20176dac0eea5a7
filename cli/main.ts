/** The command `epione`, on Node 24 (epione.js sees to that). */
import { CommanderError } from 'commander'
import { EpioneError } from '../src/encoding/errors.ts'
import type { Host } from './context.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import { createOutput, describeError } from './output.ts'
import { buildProgram } from './program.ts'

/** Commander's errors under this program's codes; what is not here is `usage`. */
const USAGE_CODES: Readonly<Record<string, string>> = {
  'commander.unknownCommand': 'unknown-command',
  'commander.unknownOption': 'unknown-option',
  'commander.missingArgument': 'missing-argument',
  'commander.missingMandatoryOptionValue': 'missing-option',
  'commander.optionMissingArgument': 'missing-value',
  'commander.excessArguments': 'excess-arguments',
  'commander.invalidArgument': 'invalid-argument',
  'commander.conflictingOption': 'conflicting-option',
}

/** One Ctrl-C can arrive several times: from the terminal, and passed on by npm and the launcher. Only a later one means "at once". */
const REPEATED_SIGNAL_MS = 300

/** An error of usage as one sentence, or null where commander only ended after help or version. */
function usageError(error: CommanderError): EpioneError | null {
  if (['commander.help', 'commander.helpDisplayed', 'commander.version'].includes(error.code)) return null
  const sentence = error.message.replace(/^error: /, '').replaceAll('\n', ' ')
  return new EpioneError(USAGE_CODES[error.code] ?? 'usage', `${sentence.replace(/\.$/, '')}; see --help`)
}

/** Runs the program for `args` (without node and script). Sets `host.exitCode`; never throws. */
async function run(args: readonly string[], host: Host): Promise<void> {
  try {
    // What the shell's completion asks for at each press of the tab key: `epione complete -- words`.
    if (args[0] === 'complete' && args[1] === '--') {
      const { complete } = await import('./commands/completion.ts')
      return await complete(buildProgram(host, { completion: false }), args.slice(2))
    }
    await buildProgram(host).parseAsync(args, { from: 'user' })
  } catch (error) {
    const shown = error instanceof CommanderError ? usageError(error) : error
    if (shown === null) {
      // Help that was asked for is an answer; help for want of a command is not.
      host.exitCode = (error as CommanderError).exitCode === 0 ? EXIT.ok : EXIT.usage
      return
    }
    const { env, stdout, stderr, signal } = host
    // The options may not have been parsed: what counts is what was typed.
    createOutput({ json: args.includes('--json'), quiet: false, debug: env.EPIONE_DEBUG === '1', stdout, stderr }).error(shown)
    host.exitCode = signal.aborted ? EXIT.interrupted : exitCodeOf(describeError(shown).code)
  }
}

const args = process.argv.slice(2)
if (args.includes('--no-color')) process.env.NO_COLOR = '1'
const controller = new AbortController()
const host: Host = {
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: controller.signal,
  exitCode: EXIT.ok,
}
// A reader that has seen enough (`epione ... | head`) is no error.
process.stdout.on('error', error => {
  process.exit('code' in error && error.code === 'EPIPE' ? EXIT.ok : EXIT.failed)
})
process.stderr.on('error', () => undefined)
let firstSignalAt = 0
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    const now = performance.now()
    if (!controller.signal.aborted) {
      firstSignalAt = now
      controller.abort(new EpioneError('interrupted', 'interrupted'))
    } else if (now - firstSignalAt > REPEATED_SIGNAL_MS) process.exit(EXIT.interrupted)
  })
}
await run(args, host)
process.exitCode = host.exitCode
