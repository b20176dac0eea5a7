/** Declarations of the commands that break a network on this machine, and mend it. */
import type { Command } from 'commander'
import type { ActInput } from '../../testnet/control/acts.ts'
import type { Lie } from '../../testnet/faults/modes.ts'
import { action, type Host } from '../context.ts'
import { parseGroups, parseNode, parsePercentage, parseShortSpan } from '../parse.ts'
import { examples } from './declare.ts'

interface Dir {
  dir: string
}

/** What is done to one node, by the command's name. */
const OF_A_NODE = [
  ['start', 'start a node that does not run'],
  ['stop', 'ask a node to end'],
  ['restart', 'end a node and start it again'],
  ['kill', 'end a node at once (SIGKILL)'],
  ['pause', 'let a node stand still (SIGSTOP)'],
  ['resume', 'let a paused node go on'],
] as const

export function declareTestnetFaults(testnet: Command, host: Host, dir: readonly [flags: string, text: string, preset: string]): void {
  /** Adds a command whose arguments and options make an act. */
  const declare = <Options, Args extends readonly unknown[]>(
    command: Command,
    make: (options: Options, ...args: Args) => ActInput,
  ): Command =>
    command.option(...dir).action(
      action<Options & Dir, Args>(host, async () => {
        const { testnetAct } = await import('../commands/testnet-act.ts')
        return async (context, options, ...args) => await testnetAct(context, options, make(options, ...args))
      }),
    )
  const between = ['--between <groups>', 'between these groups of nodes alone, such as "1,2|3,4"', parseGroups] as const

  for (const [verb, summary] of OF_A_NODE) {
    const command = testnet.command(verb).summary(summary).argument('<node>', 'such as node2, or 2', parseNode)
    declare(command, (_, node: string) => ({ verb, node }))
    examples(command, [[`epione testnet ${verb} node2`, summary]])
  }

  const partition = testnet
    .command('partition')
    .summary('cut groups of nodes off from each other')
    .description('Cuts groups of nodes off from each other; nodes that are in no group are one more. Light peers reach all of them.')
    .argument('<groups>', 'such as "1,2|3,4"', parseGroups)
    .option('--silent', 'as a cable that was pulled: nobody is told; else connections are refused')
  declare(partition, ({ silent }: { silent?: boolean }, groups: string[][]) => ({ verb: 'partition', groups, silent: silent === true }))
  examples(partition, [
    ['epione testnet partition "1,2|3,4"', 'no half has a quorum'],
    ['epione testnet partition 4 --silent', 'node4 alone'],
  ])

  const heal = testnet.command('heal').summary('mend all links: no partition, no delay, no loss')
  declare(heal, () => ({ verb: 'heal' }))
  examples(heal, [['epione testnet heal', 'after partition, delay or drop']])

  const delay = testnet
    .command('delay')
    .summary('make messages between nodes take longer')
    .argument('<time>', 'what each takes more, one way, such as 100ms; 0 ends it', parseShortSpan)
    .option('--jitter <time>', 'and up to so much more, by chance', parseShortSpan)
    .option(...between)
  declare(delay, ({ jitter = 0, between: groups }: { jitter?: number; between?: string[][] }, ms: number) => ({
    verb: 'delay',
    ms,
    jitterMs: jitter,
    ...(groups === undefined ? {} : { groups }),
  }))
  examples(delay, [['epione testnet delay 80ms --jitter 20ms --between "1,2|3,4"', 'an ocean between two halves']])

  const drop = testnet
    .command('drop')
    .summary('lose a share of what nodes send each other')
    .description('Loses a share of what nodes send each other. TCP sends it again, so that it comes late.')
    .argument('<share>', 'such as 5%; 0 ends it', parsePercentage)
    .option(...between)
  declare(drop, ({ between: groups }: { between?: string[][] }, share: number) => ({
    verb: 'drop',
    share,
    ...(groups === undefined ? {} : { groups }),
  }))

  examples(drop, [['epione testnet drop 5%', 'a bad line everywhere']])

  const clock = testnet
    .command('clock')
    .summary("put a node's clock wrong, or right again")
    .argument('<node>', 'such as node2, or 2', parseNode)
    .argument('<time>', 'how far it is ahead, such as +90s; 0 puts it right', parseShortSpan)
    .option('--behind', 'behind, and not ahead')
  declare(clock, ({ behind }: { behind?: boolean }, node: string, ms: number) => ({ verb: 'clock', node, ms: behind === true ? -ms : ms }))
  examples(clock, [
    ['epione testnet clock node2 +90s', 'a minute and a half ahead'],
    ['epione testnet clock node2 0', 'right again'],
  ])

  const diskFull = testnet
    .command('disk-full')
    .summary("fill a node's disk, or give it room again")
    .argument('<node>', 'such as node2, or 2', parseNode)
    .option('--undo', 'there is room again')
  declare(diskFull, ({ undo }: { undo?: boolean }, node: string) => ({ verb: 'disk-full', node, full: undo !== true }))

  examples(diskFull, [
    ['epione testnet disk-full node3', 'it takes no more fragments'],
    ['epione testnet disk-full node3 --undo', 'it does again'],
  ])

  const slowDisk = testnet
    .command('slow-disk')
    .summary("make a node's disk slow, or right again")
    .argument('<node>', 'such as node2, or 2', parseNode)
    .argument('<time>', 'what each write that must be on disk takes more, such as 50ms; 0 ends it', parseShortSpan)
  declare(slowDisk, (_, node: string, ms: number) => ({ verb: 'slow-disk', node, ms }))
  examples(slowDisk, [['epione testnet slow-disk node3 50ms', 'a tired disk']])

  const byzantine = testnet
    .command('byzantine')
    .summary('have a node lie, or be honest again')
    .description(
      'equivocate: two votes for one place. withhold: no proposals, no fragments. forge: headers that no quorum signed. stale: an old state as the newest. lie-fragments: wrong bytes, wrong answers to audits. poison-dht: everybody holds everything.',
    )
    .argument('<node>', 'such as node2, or 2', parseNode)
    .argument('<mode>', 'equivocate, withhold, forge, stale, lie-fragments, poison-dht, or honest')
  declare(byzantine, (_, node: string, mode: Lie | 'honest') => ({ verb: 'byzantine', node, mode: mode === 'honest' ? null : mode }))
  examples(byzantine, [
    ['epione testnet byzantine node4 equivocate', 'the ledger learns of it, and takes its seat'],
    ['epione testnet byzantine node4 honest', 'it lies no more'],
  ])
}
