/** A testnet of four processes, seen as one: a partition makes its nodes differ in the view, healing makes them agree again. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { agreement } from '../../cli/network-table.ts'
import type { NetworkView, ViewEvent } from '../../src/gateway/network-view.ts'
import { applyEvent } from '../../src/gateway/view-state.ts'
import { Mind } from '../../testnet/control/mind.ts'
import { observationPaths } from '../../testnet/control/observations.ts'
import { dashboardUrl, viewAccess } from '../../testnet/control/remote.ts'
import { tapNetwork } from '../../testnet/control/tap.ts'
import { portsOf } from '../../testnet/launcher/ports.ts'
import { openTestnet } from '../../testnet/launcher/testnet.ts'
import { waitFor } from '../../testnet/launcher/wait.ts'

const test = suite('a testnet seen as one')

test('partition, differ, heal, agree: in the view, in the events, and in what is kept for reports', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'epione-view-'))
  const net = await openTestnet({ dir, minded: true, heartbeatMs: 1_500 })
  const mind = new Mind(net)
  const stop = new AbortController()
  let tapping: Promise<void> = Promise.resolve()
  try {
    await mind.serve()
    await mind.perform({ verb: 'up' })
    await net.ready()

    let view: NetworkView | undefined
    tapping = tapNetwork(
      async () => await viewAccess(dir),
      {
        onView: seen => {
          view = seen
        },
        onEvent: (event: ViewEvent) => {
          if (view !== undefined) view = applyEvent(view, event)
        },
      },
      { signal: stop.signal },
    )
    const until = async (what: string, holds: (view: NetworkView) => boolean): Promise<NetworkView> =>
      await waitFor(() => (view !== undefined && holds(view) ? view : null), { what, timeoutMs: 40_000 })

    const well = await until('four nodes that are well', ({ nodes }) => nodes.filter(({ state }) => state === 'ok').length === 4)
    assert.is(well.links.length, 12)
    const rssBytes = well.nodes.map(node => node.rssBytes ?? 0)
    assert.ok(rssBytes.every(bytes => bytes > 1e7))
    await until('a block that all four have', ({ blocks }) => blocks.some(({ hashes }) => Object.values(hashes ?? {})[0]?.length === 4))
    const { rounds } = await until('a decided round', seen => seen.rounds.some(({ decided }) => decided))
    assert.ok(rounds.some(({ votes }) => votes.length === 4 && votes.filter(({ precommit }) => precommit === 'block').length >= 3))

    await mind.perform({ verb: 'partition', groups: [['node1', 'node2', 'node3'], ['node4']], silent: false })
    // A view may be of an instant at which the three are between two heights.
    const agree = (nodes: NetworkView['nodes']): boolean => nodes.every(({ height }) => height === nodes[0]?.height)
    const parted = await until('node4 behind', ({ nodes }) => (nodes[3]?.behind ?? 0) >= 2 && agree(nodes.slice(0, 3)))
    assert.match(
      agreement(parted.nodes, ({ height }) => String(height)),
      /^\d+: node1 node2 node3 {2}\| {2}\d+: node4$/,
    )
    assert.is(parted.links.filter(({ state }) => state === 'cut').length, 6)
    assert.is(parted.acts.at(-1)?.what, 'partition node1,node2,node3 | node4')

    await mind.perform({ verb: 'heal' })
    const healed = await until(
      'one value again',
      ({ nodes, blocks }) =>
        nodes.every(({ height, state }) => height === nodes[0]?.height && height > parted.nodes[0]!.height && state === 'ok') &&
        Object.values(blocks.find(({ height }) => height === nodes[0]?.height)?.hashes ?? {})[0]?.length === 4,
    )
    assert.is(
      agreement(healed.nodes, ({ state }) => state),
      'ok',
    )
    assert.ok(healed.blocks.every(({ conflict }) => !conflict))
    assert.ok(healed.samples.some(({ commitP95Ms }) => commitP95Ms !== null))

    const one = await fetch(`http://127.0.0.1:${portsOf(net.manifest.basePort, 2).operations}/v1/network`)
    const own = (await one.json()) as NetworkView
    assert.equal([own.source, own.canAct, own.nodes.length], ['node', false, 4])
    const { url } = await viewAccess(dir)
    assert.is((await fetch(`${url}/v1/network`)).status, 401)
    assert.match((await dashboardUrl(dir)) ?? '', /^http:\/\/127\.0\.0\.1:\d+\/network\/#token=[0-9a-f]{48}$/)
  } finally {
    stop.abort()
    await tapping
    await mind.stop()
    await net.stop()
  }
  const kept = readFileSync(observationPaths(dir).current, 'utf8').trim().split('\n')
  const types = new Set(kept.map(line => (JSON.parse(line) as ViewEvent).type))
  assert.equal([...types].sort(), ['act', 'block', 'log', 'sample'])
  rmSync(dir, { recursive: true, force: true })
})

test.run()
