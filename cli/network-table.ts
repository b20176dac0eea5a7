/** A network in the terminal: one value where its nodes agree, and who has which where they differ. */
import type { BlockView, NetworkView, NodeView } from '../src/gateway/network-view.ts'
import { formatBytes, formatSpan } from './format.ts'
import { table } from './output.ts'

const HASH_CHARS = 8
const LINKS_SHOWN = 8

/** The value that all have, or each value with those who have it, the most common first. */
export function agreement(nodes: readonly NodeView[], pick: (node: NodeView) => string): string {
  const by = new Map<string, string[]>()
  for (const node of nodes) by.set(pick(node), [...(by.get(pick(node)) ?? []), node.id])
  if (by.size <= 1) return [...by.keys()][0] ?? '-'
  return [...by]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([value, ids]) => `${value}: ${ids.join(' ')}`)
    .join('  |  ')
}

/** Which block the nodes have at a height, and who has none yet. */
export function blockHolders(block: BlockView, nodes: readonly NodeView[]): string {
  const hashes = Object.entries(block.hashes ?? {})
  const holders = new Set(hashes.flatMap(([, ids]) => ids))
  // A node that joined later, or started again, need not have told of it.
  const without = nodes.filter(({ id, height }) => !holders.has(id) && height < block.height).map(({ id }) => id)
  const short = (hash: string): string => hash.slice(0, HASH_CHARS)
  const has = hashes.length <= 1 ? short(block.hash) : hashes.map(([hash, ids]) => `${short(hash)}: ${ids.join(' ')}`).join('  |  ')
  return without.length === 0 ? has : `${has}  |  not yet: ${without.join(' ')}`
}

/** A block as one line, for logs. */
export function blockLine(block: BlockView, nodes: readonly NodeView[]): string {
  const parts = [
    `block ${block.height}`,
    `${block.transactions} transactions`,
    `round ${block.round}`,
    block.commitMs === null ? '' : `commit ${formatSpan(block.commitMs)}`,
    `proposed by ${nameOf(block.proposer, nodes)}`,
    blockHolders(block, nodes),
    block.conflict ? 'NODES DIFFER' : '',
  ]
  return parts.filter(part => part !== '').join('  ')
}

/** The screen: at most `rows` lines. */
export function networkScreen(view: NetworkView, { rows, columns }: { rows: number; columns: number }): string[] {
  const { nodes } = view
  const sample = view.samples.at(-1)
  const head = [
    `${view.network}, chain ${view.chainId.slice(0, HASH_CHARS)}  -  ${nodes.length} nodes  -  Ctrl-C ends this, not the network`,
    '',
    ...table([
      ['height', agreement(nodes, ({ height }) => String(height))],
      ['state', agreement(nodes, ({ state }) => state)],
      ['findings', agreement(nodes, ({ findings }) => findings.join(', ') || 'none')],
      ['faults', agreement(nodes, ({ faults }) => faults.join(', ') || 'none')],
      ['links', brokenLinks(view)],
      ['votes', votesLine(view)],
      [
        'commits',
        `p50 ${span(sample?.commitP50Ms)}, p95 ${span(sample?.commitP95Ms)}, ${sample?.transactionsPerSecond.toFixed(1) ?? '-'} tx/s`,
      ],
    ]),
    '',
    ...table([
      ['node', 'organisation', '', 'role', 'state', 'height', 'behind', 'memory', 'CPU', 'light'],
      ...nodes.map(node => [
        ...[node.id, node.name, node.jurisdiction, node.role, node.state, String(node.height), String(node.behind)],
        node.rssBytes === null ? '-' : formatBytes(node.rssBytes),
        node.cpuShare === null ? '-' : `${Math.round(100 * node.cpuShare)} %`,
        String(view.lights.find(({ node: id }) => id === node.id)?.count ?? 0),
      ]),
    ]),
    '',
  ]
  const tail = [...view.acts.slice(-2).map(({ what, error }) => `act    ${what}${error === null ? '' : `: ${error}`}`)]
  tail.push(...view.log.slice(-3).map(({ node, code, text }) => `${node}  ${code}: ${text}`))
  const room = Math.max(1, rows - head.length - tail.length - 2)
  const blocks = table([
    ['block', 'what the nodes have', 'tx', 'round', 'proposer', 'commit'],
    ...view.blocks
      .slice(-room)
      .reverse()
      .map(block => [
        ...[String(block.height), `${block.conflict ? '!! ' : ''}${blockHolders(block, nodes)}`, String(block.transactions)],
        ...[String(block.round), nameOf(block.proposer, nodes), span(block.commitMs)],
      ]),
  ])
  return [...head, ...blocks, ...(tail.length === 0 ? [] : ['', ...tail])].slice(0, rows).map(line => line.slice(0, columns))
}

function nameOf(account: string, nodes: readonly NodeView[]): string {
  return nodes.find(node => node.account === account)?.id ?? '-'
}

function span(ms: number | null | undefined): string {
  return ms == null ? '-' : formatSpan(ms)
}

function brokenLinks({ links }: NetworkView): string {
  const broken = links.filter(({ state, delayMs, loss }) => state === 'cut' || state === 'silent' || delayMs > 0 || loss > 0)
  if (broken.length === 0) return 'all open'
  const words = broken.slice(0, LINKS_SHOWN).map(({ from, to, state, delayMs, loss }) => {
    const weather = [delayMs > 0 ? `${delayMs} ms` : '', loss > 0 ? `${Math.round(100 * loss)} % lost` : ''].filter(part => part !== '')
    return `${from}>${to} ${state === 'open' ? weather.join(' ') : state}`
  })
  return `${words.join(', ')}${broken.length > words.length ? ` and ${broken.length - words.length} more` : ''}`
}

/** The newest round: for each validator P for a prevote and C for a precommit, small for nil. */
function votesLine({ rounds, nodes }: NetworkView): string {
  const round = rounds.at(-1)
  if (round === undefined) return '-'
  const letter = (vote: string, forBlock: string): string => (vote === 'block' ? forBlock : vote === 'nil' ? forBlock.toLowerCase() : '.')
  const votes = round.votes.map(vote => `${nameOf(vote.validator, nodes)} ${letter(vote.prevote, 'P')}${letter(vote.precommit, 'C')}`)
  return `${round.height}/${round.round}${round.decided ? ' decided' : ''}  ${votes.join('  ')}`
}
