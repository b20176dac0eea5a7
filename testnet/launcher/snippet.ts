/** A program to paste into a terminal: what a developer tries first. */
import { extname, join, relative, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '..', '..')
/** Nodes that the program names: it needs one, and another where that one is stopped. */
const NODES = 2

/** A path as one writes it in `cwd`: relative where it lies in it. */
function pathFrom(cwd: string, path: string): string {
  const near = relative(cwd, path)
  return near.startsWith('..') ? path : `./${near}`
}

/** Lines for a shell in `cwd` that connect to the testnet and print what they verified. */
export function lightPeerSnippet(net: { nodes: readonly { addresses: readonly string[] }[]; chainId: string }, cwd: string): string[] {
  const file = join(ROOT, 'src', 'client', `light-peer${extname(import.meta.filename)}`)
  // The Node of the package may be the only one here that runs TypeScript.
  const bundled = process.execPath.startsWith(join(ROOT, 'node_modules'))
  const node = bundled ? pathFrom(cwd, process.execPath) : 'node'
  const addresses = net.nodes.slice(0, NODES).map(node => `    '${node.addresses[0]}',`)
  return [
    `${node} --input-type=module <<'EOF'`,
    `import { createLightPeer } from '${pathFrom(cwd, file)}'`,
    'const peer = await createLightPeer({',
    '  nodes: [',
    ...addresses,
    '  ],',
    `  chainId: Buffer.from('${net.chainId}', 'hex'),`,
    '})',
    'const { asOf } = await peer.head()',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the program's
    'console.log(`height ${asOf.height}, ${asOf.ageMs} ms old, signed by a quorum`)',
    'for (const { organisation } of await peer.members()) console.log(organisation.jurisdiction, organisation.name)',
    'await peer.stop()',
    'EOF',
  ]
}
