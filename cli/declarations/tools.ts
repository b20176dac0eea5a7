/** Declarations of the commands about the program itself. */
import type { Command } from 'commander'
import { action, type Host } from '../context.ts'
import { examples, nodeOptions } from './declare.ts'

export function declareToolCommands(program: Command, host: Host): void {
  program.commandsGroup('This program:')

  const config = program
    .command('config')
    .summary('show and check settings')
    .description('Settings: flag before EPIONE_... before config.yaml before default.')
  const show = config
    .command('show')
    .summary('the settings in force')
    .option('--origin', 'where each value comes from')
    .action(action(host, async () => (await import('../commands/config-show.ts')).configShow))
  examples(nodeOptions(show), [
    ['epione config show', 'as YAML, ready to be a config.yaml'],
    ['epione config show --origin', 'with flag, variable, or file:line:column of each'],
  ])
  const validate = config
    .command('validate')
    .summary('check the settings file and the environment')
    .argument('[file]', 'a file instead of the one in the home')
    .action(action(host, async () => (await import('../commands/config-validate.ts')).configValidate))
  examples(validate, [
    ['epione config validate', 'exit code 3 and file:line:column if something is wrong'],
    ['epione config validate ./config.yaml', 'before it goes where it belongs'],
  ])

  const version = program
    .command('version')
    .summary('versions of epione and of what it runs on')
    .action(action(host, async () => (await import('../commands/version.ts')).version))
  examples(version, [['epione version --json', 'for programs and for reports of errors']])
}

/** Apart from the rest: the completion's own library declares these commands too, on a program without them. */
export function declareCompletion(program: Command, bare: () => Command): void {
  const completion = program
    .command('completion')
    .summary('completion for your shell')
    .argument('<shell>', 'bash or zsh')
    .action(async (shell: string) => (await import('../commands/completion.ts')).printScript(bare(), shell))
  completion.registeredArguments[0]!.choices(['bash', 'zsh'])
  examples(completion, [
    ['source <(epione completion bash)', 'now; put the line into ~/.bashrc to keep it'],
    ['source <(epione completion zsh)', 'the same for ~/.zshrc'],
  ])
}
