/** Where the nodes stand: pushed apart and drawn together by their links, the same for the same nodes. */
import { forceCenter, forceLink, forceManyBody, forceSimulation, forceX, forceY } from 'd3-force'

export interface Place {
  id: string
  x: number
  y: number
}

const STEPS = 200

/** @param ids of nodes @param links pairs of them @returns places within a box of that size */
export function layout(
  ids: readonly string[],
  links: readonly (readonly [string, string])[],
  size: { width: number; height: number; margin: number },
): Place[] {
  const { width, height, margin } = size
  // Around a circle, so that nothing hangs on chance.
  const nodes = ids.map((id, i) => ({
    id,
    x: width / 2 + (width / 3) * Math.cos((2 * Math.PI * i) / ids.length),
    y: height / 2 + (height / 3) * Math.sin((2 * Math.PI * i) / ids.length),
  }))
  const simulation = forceSimulation(nodes)
    .force('charge', forceManyBody().strength(-40 * Math.sqrt(60 / Math.max(4, ids.length))))
    .force(
      'link',
      forceLink(links.map(([source, target]) => ({ source, target })))
        .id(node => (node as Place).id)
        .distance(Math.min(width, height) / 2)
        .strength(0.2),
    )
    .force('center', forceCenter(width / 2, height / 2))
    .force('x', forceX(width / 2).strength(0.04))
    .force('y', forceY(height / 2).strength(0.08))
    .stop()
  simulation.tick(STEPS)
  const clamp = (value: number, most: number): number => Math.round(Math.min(most - margin, Math.max(margin, value)))
  return nodes.map(({ id, x, y }) => ({ id, x: clamp(x, width), y: clamp(y, height) }))
}
