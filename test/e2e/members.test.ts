/** A fifth organisation over real processes and the command line: admitted by votes, it catches up and validates; removed, it follows. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { NodeStatus } from '../../src/node/status.ts'
import type { ManifestNode } from '../../testnet/launcher/manifest.ts'
import { findBasePort, portsOf } from '../../testnet/launcher/ports.ts'
import { createProbe } from '../../testnet/launcher/probe.ts'
import { startProcess, stopProcess } from '../../testnet/launcher/processes.ts'
import { createTestnet } from '../../testnet/launcher/testnet.ts'
import { waitFor } from '../../testnet/launcher/wait.ts'
import { runCli } from '../cli/run-cli.ts'
import { failure, succeed } from './setting.ts'

const test = suite('members by votes over the command line')
const NAME = 'Osaka Minato Hospital'
const scratch = mkdtempSync(join(tmpdir(), 'epione-members-'))
test.after(() => rmSync(scratch, { recursive: true, force: true }))

test('a fifth organisation is admitted, catches up and validates; then it is removed and follows', async () => {
  const basePort = await findBasePort(5)
  await using net = await createTestnet({ dir: join(scratch, 'net'), basePort, seed: 11 })
  const homes = net.nodes.map(({ home }) => home)
  const vote = async (node: number, ...args: string[]) => await succeed('members', 'vote', ...args, '--home', homes[node] as string)

  // What its operator does, as the manual has it.
  const home = join(scratch, 'fifth')
  mkdirSync(scratch, { recursive: true })
  const { tcp } = portsOf(basePort, 5)
  const address = `/ip4/127.0.0.1/tcp/${tcp}`
  const made = await succeed(
    ...['init', '--home', home, '--name', NAME, '--jurisdiction', 'JP', '--genesis', net.genesisPath, '--yes'],
    ...['--listen', address, '--passphrase-file', net.passphraseFile],
    ...net.nodes.flatMap(({ addresses }) => ['--bootstrap', addresses[0] as string]),
  )
  const file = made.organisation as string
  assert.ok(existsSync(file))

  const [first, second, third] = [await vote(0, 'admit', file), await vote(1, 'admit', file), await vote(2, 'admit', file)]
  assert.equal([first.status, first.weight, first.total, first.needed], ['open', 10, 40, 27])
  assert.equal([second.status, second.weight], ['open', 20])
  assert.equal([third.status, third.effective], ['applied', (third.height as number) + 2])
  assert.is((await vote(3, 'admit', file)).status, 'unchanged', 'who comes late opens no second vote')

  const listed = await runCli(['members', 'list', '--home', homes[0] as string])
  assert.is(listed.code, 0, listed.stderr)
  assert.match(listed.stdout, new RegExp(`${NAME} +JP +[0-9a-f]{16} +10 +[0-9a-f]{16} +validator`))

  const stores = await runCli(['custodians', '--home', homes[0] as string])
  assert.is(stores.code, 0, stores.stderr)
  assert.match(stores.stdout, new RegExp(`${NAME} +JP +[0-9a-f]{16} +\\d+ +0 +0 +present`))

  const node: ManifestNode = {
    id: 'node5',
    ...{ name: NAME, jurisdiction: 'JP', validator: true, account: made.account as string, peerId: made.peerId as string },
    ...{ addresses: [`${address}/p2p/${made.peerId}`], home, log: join(home, 'node.log'), process: null },
  }
  node.process = (await startProcess(node, { detached: false })).process
  const probe = await createProbe()
  try {
    const fifth = async (): Promise<NodeStatus | null> => await probe.status(node.addresses[0] as string)
    const until = async (what: string, check: (status: NodeStatus) => boolean): Promise<NodeStatus> =>
      await waitFor(
        async () => {
          const status = await fifth()
          return status !== null && check(status) ? status : null
        },
        { what, timeoutMs: 60_000 },
      )
    const joined = await until('the fifth validator in agreement', ({ seat, state, validators, consensus }) => {
      // At first it keeps silent: nothing on its disk tells what its key has signed.
      const votes = consensus?.notVotingBecause === null
      return votes && seat.state === 'held' && state === 'ok' && validators.every(({ connected }) => connected)
    })
    assert.equal([joined.name, joined.validators.length, joined.consensus?.notVotingBecause], [NAME, 5, null])

    // With one of the five paused, no block comes about without the newcomer.
    await net.kill(3, 'SIGSTOP')
    const open = await vote(0, 'reweigh', NAME, '--power', '7')
    assert.equal([open.status, open.total], ['open', 50])
    await net.kill(3, 'SIGCONT')
    const { proposals } = (await succeed('members', 'proposals', '--home', homes[1] as string)) as { proposals: { what: string }[] }
    assert.equal(
      proposals.map(({ what }) => what),
      [`amend ${NAME}: weight 7`],
    )
    const own = await succeed(
      'members',
      'vote',
      'reweigh',
      made.account as string,
      '--power',
      '7',
      '--home',
      home,
      '--passphrase-file',
      net.passphraseFile,
    )
    assert.equal([own.status, own.weight], ['open', 20], 'the newcomer has a vote')

    const unknown = await runCli(['members', 'vote', 'remove', 'Nobody', '--home', homes[0] as string, '--json'])
    assert.equal([unknown.code, failure(unknown).code], [2, 'unknown-member'])
    const outcomes: unknown[] = []
    for (const voter of [0, 1, 2, 3]) outcomes.push((await vote(voter, 'remove', (made.account as string).slice(0, 12))).status)
    assert.equal(outcomes, ['open', 'open', 'open', 'applied'])

    const removed = await until('the fifth knows that it was removed', ({ seat }) => seat.state === 'removed')
    assert.equal([removed.consensus?.notVotingBecause, removed.state === 'halted'], ['not-a-validator', false])
    const text = await runCli(['status', '--home', home])
    assert.is(text.code, 0, text.stderr)
    assert.match(text.stdout, /seat +removed: The members removed this organisation in block \d+/)
    // The others go on; it hears what they announce to everybody, and has no vote.
    const later = await vote(0, 'reweigh', net.nodes[1]!.name, '--power', '11')
    assert.is(later.total, 40)
    await until('it follows', ({ height }) => height >= (later.height as number))
    const refused = await runCli([
      'members',
      'vote',
      'remove',
      net.nodes[1]!.name,
      '--home',
      home,
      '--passphrase-file',
      net.passphraseFile,
      '--json',
    ])
    assert.equal([refused.code, failure(refused).code], [6, 'unknown-author'])
    assert.is((await net.status(0))?.state, 'ok')
  } finally {
    await probe.stop()
    assert.ok(await stopProcess(node), 'it stops by itself')
  }
})

test.run()
