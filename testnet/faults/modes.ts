/** How a node can lie. */
export const LIES = ['equivocate', 'withhold', 'forge', 'stale', 'lie-fragments', 'poison-dht'] as const

/**
 * `equivocate`: signs two votes for one place and sends one to some and the other to others. `withhold`: proposes nothing, and gives no
 * fragments. `forge`: shows light peers headers that no quorum signed. `stale`: shows them an old state as the newest. `lie-fragments`:
 * releases fragments with wrong bytes, and answers audits wrong. `poison-dht`: says that everybody holds everything.
 */
export type Lie = (typeof LIES)[number]
