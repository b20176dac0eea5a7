/** `epione completion <shell>`, and what its scripts call at each press of the tab key. */
import type { RootCommand } from '@bomb.sh/tab'
import type { Command } from 'commander'

/** The names of commands and options as the completion's library holds them. It declares commands of its own on `program`. */
async function describe(program: Command): Promise<RootCommand> {
  shorten(program)
  const { default: tab } = await import('@bomb.sh/tab/commander')
  return tab(program, { completionCommandName: 'completion' })
}

/** What is shown beside a name has one line. */
function shorten(command: Command): void {
  if (command.summary() !== '') command.description(command.summary())
  for (const one of command.commands) shorten(one)
}

/** Prints the script that a shell sources. `program` is one without completion. */
export async function printScript(program: Command, shell: string): Promise<void> {
  const root = await describe(program)
  root.setup('epione', 'epione', shell)
}

/** Prints what may follow these words; the last one is being typed. */
export async function complete(program: Command, words: readonly string[]): Promise<void> {
  const root = await describe(program)
  root.parse([...words])
}
